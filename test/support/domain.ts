/** A trust domain with profiles as a configuration would have them, for tests of parts that need no running CA. */

import type { Domain } from '../../ca/issuance/identity.ts';
import { profilesSchema } from '../../ca/issuance/profile-schema.ts';
import { createProfiles } from '../../ca/issuance/profiles.ts';

/** @param profiles the section `profiles` of a configuration */
export function testDomain(trustDomain: string, environment: string, profiles: object = {}): Domain {
	return { trustDomain, environment, profiles: createProfiles(profilesSchema.parse(profiles)) };
}
