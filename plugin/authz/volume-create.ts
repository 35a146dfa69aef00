/**
 * `POST /volumes/create`: one of ours may be made by name before its container (as Compose does), but
 * without options (28); no back door through the local driver (26).
 */

import { NO_FACTS } from '#common/policy/request.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { SENTINEL_VOLUME } from '#common/protocol/plugin-status.ts';
import { namesUs } from '../self.ts';
import { parseBody } from './create-body.ts';
import type { EngineCall } from './engine-call.ts';
import { asString, stringMap, structFields } from './go-struct.ts';
import { volumeOptionPowers } from './isolation.ts';
import { permitPowers } from './reach-host.ts';
import type { AuthorizerDeps } from './rule.ts';

/** @throws BirthmarkError to refuse */
export async function checkVolumeCreate(deps: AuthorizerDeps, call: EngineCall): Promise<void> {
	const fields = structFields(parseBody(call.body, 'create a volume'), 'the request');
	const options = stringMap(fields.get('driveropts'), 'DriverOpts');
	const driver = asString(fields.get('driver'), 'Driver');
	if (namesUs(await deps.self(), driver)) {
		if (options.size > 0) throw new BirthmarkError('mount-illegal', 'the birthmark driver has no volume options; use labels on the container');
		return;
	}
	const name = asString(fields.get('name'), 'Name');
	if (name === SENTINEL_VOLUME) throw new BirthmarkError('mount-illegal', `${SENTINEL_VOLUME} is the name of a volume that the plugin makes itself; choose another`);
	// Judged here as well as where it is mounted: a task of a service may find it under a name that was harmless.
	const powers = await volumeOptionPowers(deps.hostZones.ofCall(), driver, options);
	if (powers.length > 0) await permitPowers(deps, call, { ...NO_FACTS, volumes: [name] }, powers);
}
