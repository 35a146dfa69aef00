/** A trust domain with profiles as a configuration would have them, for tests of parts that need no running CA. */

import { readCaConfig } from '../../ca/config.ts';
import { authorityProfile, type AuthorityProfile } from '../../ca/issuance/authority-profile.ts';
import type { Domain } from '../../ca/issuance/identity.ts';
import { profilesSchema } from '../../ca/issuance/profile-schema.ts';
import { createProfiles } from '../../ca/issuance/profiles.ts';

/** @param profiles the section `profiles` of a configuration */
export function testDomain(trustDomain: string, environment: string, profiles: object = {}): Domain {
	return { trustDomain, environment, profiles: createProfiles(profilesSchema.parse(profiles)) };
}

/** @param config contents of a configuration */
export function testAuthorityProfile(config: object = {}): AuthorityProfile {
	return authorityProfile(readCaConfig(JSON.stringify(config), {}));
}
