/** A real image registry from the distribution's packages, on the loopback interface, over TLS. */

import { spawn, execFileSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { request } from 'node:https';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import tmp from 'tmp';
import { toolEnvironment, unpackMissing } from '../../scripts/packages.ts';
import { TOOLS } from '../../scripts/paths.ts';
import { freePort } from '../../scripts/ports.ts';
import { until } from '../../scripts/set-up.ts';
import { Steps } from '../../scripts/steps.ts';

/** @returns `127.0.0.1:<port>`; the registry ends with the test */
export async function startRegistry(t: ExecutionContext): Promise<string> {
	const directory = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => directory.removeCallback());
	const inside = (name: string): string => join(directory.name, name);
	await unpackMissing(new Steps(inside('apt.log')), ['docker-registry'], TOOLS);
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1', '-subj', '/CN=registry', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', inside('key.pem'), '-out', inside('cert.pem')], { stdio: 'ignore' });
	const port = await freePort();
	writeFileSync(inside('config.json'), JSON.stringify({ version: 0.1, log: { level: 'info' }, storage: { filesystem: { rootdirectory: inside('data') } }, http: { addr: `127.0.0.1:${port}`, tls: { certificate: inside('cert.pem'), key: inside('key.pem') } } }));
	const log = openSync(inside('registry.log'), 'a');
	const registry = spawn('docker-registry', ['serve', inside('config.json')], { stdio: ['ignore', log, log], env: { ...process.env, ...toolEnvironment(TOOLS) } });
	closeSync(log);
	t.teardown(async () => {
		if (registry.exitCode !== null) return;
		const ended = once(registry, 'exit');
		registry.kill();
		await ended;
	});
	await until(() => answers(port), 120, 'the registry does not answer', `see ${inside('registry.log')}`);
	return `127.0.0.1:${port}`;
}

function answers(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const call = request({ host: '127.0.0.1', port, path: '/v2/', agent: false, rejectUnauthorized: false }, (answer) => {
			answer.resume();
			resolve(answer.statusCode === 200);
		});
		call.on('error', () => resolve(false));
		call.end();
	});
}
