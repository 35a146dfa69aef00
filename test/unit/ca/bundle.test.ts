/** The CA as one file, as it lies in its image: without the packages that it was made of. */

import test, { type ExecutionContext } from 'ava';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundleArguments, bunExecutable } from '../../../scripts/bundle.ts';
import { PROJECT } from '../../../scripts/paths.ts';
import { startCaProcess } from '../../support/ca-process.ts';
import { temporaryFolder } from '../../support/ca.ts';
import { postgresFor } from '../../support/stores.ts';

const postgres = postgresFor(test);

/** Far from any node_modules. */
async function bundle(t: ExecutionContext): Promise<string> {
	const output = join(temporaryFolder(t), 'ca.mjs');
	await promisify(execFile)(bunExecutable(), bundleArguments('ca/main.ts', output), { cwd: PROJECT });
	return output;
}

async function enrol(t: ExecutionContext, environment: Record<string, string>): Promise<void> {
	const { ca, stop } = await startCaProcess(t, join(temporaryFolder(t), 'state'), { main: await bundle(t), environment });
	const node = await ca.join('host1');
	await ca.enrol(node, 'web01', 'web');
	t.is((await ca.admin('GET', '/v1/metrics')).status, 200);
	t.is((await ca.admin('GET', '/v1/openapi.json')).status, 200);
	t.is(await stop(), 0);
}

test('the bundle serves from a file', async (t) => {
	await enrol(t, {});
});

postgres.test('the bundle serves from PostgreSQL', async (t) => {
	await enrol(t, { DATABASE_URL: await (await postgres.server()).newDatabase() });
});
