/** `POST /volumes/create`: nothing of ours by hand (28), no back door through the local driver (26). */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { mountOption, namesUs } from '../self.ts';
import { parseBody } from './create-body.ts';
import type { EngineCall } from './engine-call.ts';
import { asString, stringMap, structFields } from './go-struct.ts';
import { checkVolumeOptions } from './isolation.ts';
import type { AuthorizerDeps } from './rule.ts';

/** @throws BirthmarkError to refuse */
export async function checkVolumeCreate(deps: AuthorizerDeps, call: EngineCall): Promise<void> {
	const fields = structFields(parseBody(call.body, 'create a volume'), 'the request');
	const self = await deps.self();
	if (namesUs(self, asString(fields.get('driver'), 'Driver'))) {
		throw new BirthmarkError('mount-illegal', `a birthmark volume is made together with its container; use docker run ${mountOption(self)}`);
	}
	await checkVolumeOptions(deps, stringMap(fields.get('driveropts'), 'DriverOpts'));
}
