/**
 * `POST /volumes/create`: one of ours may be made by name before its container (as Compose does), but
 * without options (28); no back door through the local driver (26).
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { namesUs } from '../self.ts';
import { parseBody } from './create-body.ts';
import type { EngineCall } from './engine-call.ts';
import { asString, stringMap, structFields } from './go-struct.ts';
import { checkVolumeOptions } from './isolation.ts';
import type { AuthorizerDeps } from './rule.ts';

/** @throws BirthmarkError to refuse */
export async function checkVolumeCreate(deps: AuthorizerDeps, call: EngineCall): Promise<void> {
	const fields = structFields(parseBody(call.body, 'create a volume'), 'the request');
	const options = stringMap(fields.get('driveropts'), 'DriverOpts');
	const driver = asString(fields.get('driver'), 'Driver');
	if (!namesUs(await deps.self(), driver)) return checkVolumeOptions(deps, driver, options);
	if (options.size > 0) throw new BirthmarkError('mount-illegal', 'the birthmark driver has no volume options; use labels on the container');
}
