/**
 * Loaded into the plugin before its own code, in tests only: kills the process, as the kernel would, at
 * one chosen step. Steps are what reaches beyond the process: a request to the CA, a transaction, a
 * mount, an answer to the engine. So the plugin itself knows nothing of them.
 *
 * A file in the plugin's run directory says which: the beginning of its name, and at which time of many,
 * `2 after POST /v1/authorize`. It is removed when the step is reached.
 */

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import fsPromises from 'node:fs/promises';
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { basename } from 'node:path';
import { StatementSync } from 'node:sqlite';

const ARMED = '/host/run/fault';

/** A step is reached: `before` or `after` something, e.g. `before POST /v1/revoke`. */
function reach(step: string): void {
	let armed: string;
	try {
		armed = readFileSync(ARMED, 'utf8');
	} catch {
		return; // nothing is armed
	}
	const [, times, name] = /^(\d+) (.+)$/.exec(armed)!;
	if (!step.startsWith(name!)) return;
	if (Number(times) > 1) return writeFileSync(ARMED, `${Number(times) - 1} ${name}`);
	rmSync(ARMED);
	process.kill(process.pid, 'SIGKILL');
}

const { request } = https;
https.request = ((...args: Parameters<typeof request>) => {
	const [url, { method = 'GET' } = {}] = args as unknown as [URL, { method?: string } | undefined];
	// The ids in the paths of authorizations are not known before.
	const name = `${method} ${url.pathname.replace(/\/authorizations\/[^/]+/, '/authorizations/ID')}`;
	reach(`before ${name}`);
	const call = request(...args);
	call.prependListener('response', () => reach(`after ${name}`));
	return call;
}) as typeof request;

const { run } = StatementSync.prototype;
StatementSync.prototype.run = function (this: StatementSync, ...values: Parameters<typeof run>) {
	const name = this.sourceSQL.replace(/\s+/g, ' ').trim();
	reach(`before ${name}`);
	const result = run.apply(this, values);
	reach(`after ${name}`);
	return result;
} as typeof run;

// Around each mount and each unmount its directory is made or removed.
const { mkdir, rmdir, rename } = fsPromises;
fsPromises.mkdir = (async (...args: Parameters<typeof mkdir>) => {
	reach('before mkdir');
	return mkdir(...args);
}) as typeof mkdir;
fsPromises.rmdir = async (path) => {
	reach('before rmdir');
	await rmdir(path);
};
fsPromises.rename = async (from, to) => {
	reach(`before rename ${basename(String(to))}`);
	await rename(from, to);
	reach(`after rename ${basename(String(to))}`);
};

// The engine asks one thing after the other on each connection.
const { createServer } = net;
net.createServer = ((...args: Parameters<typeof createServer>) => {
	const [listener] = args as unknown[];
	// The relay has options.
	if (typeof listener !== 'function') return createServer(...args);
	return createServer((socket) => {
		let route = '';
		socket.prependListener('data', (chunk: Buffer) => void (route = /^POST (\S+) /.exec(chunk.toString('latin1'))?.[1] ?? route));
		const write = socket.write.bind(socket) as (bytes: Buffer, done: () => void) => boolean;
		socket.write = ((bytes: Buffer) => {
			const name = `answer ${route}`;
			reach(`before ${name}`);
			return write(bytes, () => reach(`after ${name}`));
		}) as typeof socket.write;
		listener(socket);
	});
}) as typeof createServer;

syncBuiltinESMExports();
