/**
 * A PostgreSQL server for tests: the distribution's programs, unpacked by `make build` or installed,
 * with a cluster in a folder of its own, on a unix socket there and a port on the loopback interface.
 * It writes as durably as a real one.
 */

import { execFile, spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import { promisify } from 'node:util';
import pg from 'pg';
import tmp from 'tmp';
import { toolEnvironment } from '../../scripts/packages.ts';
import { TOOLS } from '../../scripts/paths.ts';
import { freePort } from '../../scripts/ports.ts';

/** Of the user "nobody": the server refuses to run as root. */
const NOBODY = 65534;
const SETTINGS = { fsync: 'on', shared_buffers: '32MB', max_connections: '400', autovacuum: 'off' };

export interface TestPostgres {
	/** A new, empty database. @returns its URL */
	newDatabase(): Promise<string>;
	/** `fast` ends every connection and writes everything down; `immediate` is a crash */
	stop(mode?: 'fast' | 'immediate'): Promise<void>;
	/** Starts again on the same cluster and at the same address. */
	start(): Promise<void>;
	/** Stops it and removes its cluster. */
	remove(): Promise<void>;
}

/** The directory of the server's programs; undefined where there are none. */
export function postgresPrograms(): string | undefined {
	const versions = [join(TOOLS, 'usr/lib/postgresql'), '/usr/lib/postgresql'].flatMap((root) => (existsSync(root) ? readdirSync(root).map((version) => join(root, version, 'bin')) : []));
	const found = versions.find((directory) => existsSync(join(directory, 'initdb')));
	if (!found && process.env['BIRTHMARK_REQUIRE_POSTGRES']) throw new Error('the programs of PostgreSQL are missing: run "make build"');
	return found;
}

/** A new, empty database beside the one of this URL. @returns its URL */
export async function createDatabase(server: string): Promise<string> {
	const name = `test_${randomBytes(8).toString('hex')}`;
	const client = new pg.Client(server);
	await client.connect();
	try {
		await client.query(`CREATE DATABASE ${name}`);
	} finally {
		await client.end();
	}
	return server.replace(/[^/]+$/, name);
}

export interface PostgresTls {
	/** PEM, both: the server then speaks TLS to whoever wants to */
	readonly certificate: string;
	readonly key: string;
}

/** Makes a cluster and starts its server. */
export async function startPostgres(tls?: PostgresTls): Promise<TestPostgres> {
	const programs = postgresPrograms();
	if (programs === undefined) throw new Error('there is no PostgreSQL here: run "make build"');
	const run = asOrdinaryUser(programs);
	tmp.setGracefulCleanup();
	const folder = tmp.dirSync({ prefix: 'birthmark-postgres', unsafeCleanup: true });
	const data = join(folder.name, 'data');
	mkdirSync(data, { mode: 0o700 });
	for (const path of [folder.name, data]) if (run.uid !== undefined) chownSync(path, run.uid, run.uid);
	const port = await freePort();
	await promisify(execFile)(...run.command('initdb', ['--no-sync', '--auth=trust', '--username=birthmark', '--encoding=UTF8', '--locale=C', '-D', data]));
	const files = { ssl_cert_file: join(folder.name, 'server.crt'), ssl_key_file: join(folder.name, 'server.key') };
	if (tls) {
		writeFileSync(files.ssl_cert_file, tls.certificate);
		writeFileSync(files.ssl_key_file, tls.key, { mode: 0o600 });
		for (const path of Object.values(files)) if (run.uid !== undefined) chownSync(path, run.uid, run.uid);
	}
	let server: ChildProcess | undefined;

	const start = async (): Promise<void> => {
		const settings = { ...SETTINGS, port: String(port), listen_addresses: '127.0.0.1', unix_socket_directories: folder.name, ...(tls && { ssl: 'on', ...files }) };
		const [file, args, options] = run.command('postgres', ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]);
		const child = spawn(file, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
		server = child;
		// Should the test process end without a word, its server does too.
		const end = (): void => void child.kill('SIGQUIT');
		process.once('exit', end);
		child.once('exit', () => process.off('exit', end));
		// The log tells when it is ready; read on to the end, or the server would wait for somebody to read.
		const lines: string[] = [];
		await new Promise<void>((resolve, reject) => {
			createInterface(child.stderr!).on('line', (line) => {
				if (lines.push(line) > 100) lines.shift();
				if (line.includes('is ready to accept connections')) resolve();
			});
			child.once('error', reject);
			child.once('exit', () => reject(new Error(`PostgreSQL did not start:\n${lines.join('\n')}`)));
		});
	};
	const stop: TestPostgres['stop'] = async (mode = 'fast') => {
		const child = server;
		server = undefined;
		if (!child || child.exitCode !== null || child.signalCode !== null) return;
		const ended = once(child, 'exit');
		child.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
		await ended;
	};
	const url = (database: string): string => `postgresql://birthmark@127.0.0.1:${port}/${database}`;
	await start();
	return {
		start,
		stop,
		newDatabase: () => createDatabase(url('postgres')),
		async remove() {
			await stop();
			folder.removeCallback();
		},
	};
}

/** How to run the server's programs as somebody who is not root. */
function asOrdinaryUser(programs: string): { uid?: number; command(name: string, args: readonly string[]): [string, string[], SpawnOptions & { shell: false }] } {
	const env = { ...process.env, ...toolEnvironment(TOOLS) };
	const path = (name: string): string => join(programs, name);
	if (process.getuid?.() !== 0) return { command: (name, args) => [path(name), [...args], { env, shell: false }] };
	const ids = { uid: NOBODY, gid: NOBODY };
	if (spawnSync(path('initdb'), ['--version'], { env, ...ids }).status === 0) {
		return { uid: NOBODY, command: (name, args) => [path(name), [...args], { env, shell: false, cwd: '/', ...ids }] };
	}
	// The project lies where only root can go: in a user namespace root is somebody else and can still go there.
	const enter = ['--user', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, '--'];
	return { command: (name, args) => ['unshare', [...enter, path(name), ...args], { env, shell: false, cwd: '/' }] };
}
