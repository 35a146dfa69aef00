/**
 * The demonstration's tiny service: one program that is either side of a mutual TLS connection.
 *
 *     service server [--port 8443]    answers who it is and who is calling
 *     service call URL                one request, one JSON line; exit code 1 when refused
 *         --anonymous                 without a certificate
 *         --identity FILE             with key and chain from this file, `-` for standard input
 *     service idle                    waits, so that `docker exec` can call
 *
 * `--dir DIRECTORY` takes the identity from elsewhere than /run/birthmark.
 */

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { call, type Caller } from './call.ts';
import { IDENTITY_DIRECTORY } from '#common/protocol/volume-files.ts';
import { startServer } from './server.ts';

const USAGE = 'usage: service server [--port 8443] | call [--anonymous | --identity FILE] URL | idle, each with [--dir DIRECTORY]\n';
const EXIT_USAGE = 64;
const STANDARD_INPUT = 0;
/** A timer keeps the process alive; it has nothing to do. */
const IDLE_MS = 3_600_000;

async function main(): Promise<void> {
	const { positionals, values } = parseArgs({
		allowPositionals: true,
		options: {
			port: { type: 'string', default: '8443' },
			dir: { type: 'string', default: IDENTITY_DIRECTORY },
			anonymous: { type: 'boolean', default: false },
			identity: { type: 'string' },
		},
	});
	const [role, target = ''] = positionals;
	if (role === 'server') {
		await startServer(values.dir, Number(values.port), (line) => process.stdout.write(line + '\n'));
	} else if (role === 'idle') {
		setInterval(() => {}, IDLE_MS);
	} else if (role === 'call' && URL.canParse(target)) {
		const result = await call(new URL(target), values.dir, caller(values.anonymous, values.identity));
		process.stdout.write(JSON.stringify(result) + '\n');
		process.exitCode = result.ok ? 0 : 1;
	} else {
		process.stderr.write(USAGE);
		process.exitCode = EXIT_USAGE;
	}
}

function caller(anonymous: boolean, file: string | undefined): Caller {
	if (anonymous) return { kind: 'anonymous' };
	return file === undefined ? { kind: 'own' } : { kind: 'other', identity: readFileSync(file === '-' ? STANDARD_INPUT : file) };
}

// Also when nothing but this program is in the container, a stop must be quick.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
await main();
