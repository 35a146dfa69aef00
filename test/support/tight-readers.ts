/**
 * Programs that read an identity over and over while it changes: those that people run, from the
 * distribution's packages. Each tells what it must never see.
 */

import { execFile, fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { toolEnvironment } from '../../scripts/packages.ts';
import { BUILD } from '../../scripts/paths.ts';

const SERVERS = join(BUILD, 'servers');
const environment = { ...process.env, ...toolEnvironment(SERVERS) };

/** One way to read an identity. */
export interface Reader {
	readonly name: string;
	/** Reads once. @returns what was wrong with it, undefined when all belonged together */
	read(): Promise<string | undefined>;
	end(): Promise<void>;
}

/** What a reader has seen so far. */
export interface Seen {
	readonly name: string;
	reads: number;
	/** of them with a change in their midst */
	met: number;
	readonly faults: string[];
}

/** Readers that read in turn, without a pause; or now and then, where a read takes much longer than those of others. */
export interface Lane {
	readonly readers: readonly Reader[];
	/** after each read it waits for so many changes */
	readonly pauseChanges?: number;
}

/**
 * All lanes read while something changes. Each change comes at a random moment of whatever the readers do, into a
 * read of every lane that does not pause, and no two of them into one read.
 *
 * @param change called so often, one after the other
 * @returns for each name of readers what they have seen
 */
export async function readWhileChanging(lanes: readonly Lane[], changes: number, change: (count: number) => void): Promise<readonly Seen[]> {
	let changed = 0;
	let isOver = false;
	let begun = Promise.withResolvers<void>();
	let another = Promise.withResolvers<void>();
	/** how much had changed when each lane began to read; of one that pauses it does not matter */
	const since = lanes.map(() => -1);
	const all = new Map<string, Seen>(lanes.flatMap(({ readers }) => readers.map(({ name }) => [name, { name, reads: 0, met: 0, faults: [] }])));
	async function readOn({ readers, pauseChanges = 0 }: Lane, index: number): Promise<void> {
		for (let turn = 0; !isOver; turn++) {
			const reader = readers[turn % readers.length]!;
			const seen = all.get(reader.name)!;
			const before = changed;
			since[index] = before;
			begun.resolve();
			const fault = await reader.read().catch(String);
			if (fault !== undefined) seen.faults.push(fault);
			if (changed > before) seen.met++;
			seen.reads++;
			for (since[index] = pauseChanges > 0 ? Infinity : before; !isOver && changed < before + pauseChanges; ) await another.promise;
		}
	}
	const reading = Promise.all(lanes.map(readOn));
	for (let longestMs = 1; !isOver; ) {
		const began = performance.now();
		while (since.some((before) => before < changed)) {
			begun = Promise.withResolvers();
			await begun.promise;
		}
		longestMs = Math.max(1, (longestMs + performance.now() - began) / 2);
		await sleep(Math.random() * longestMs);
		change(++changed);
		isOver = changed === changes;
		another.resolve();
		another = Promise.withResolvers();
	}
	await reading;
	return [...all.values()];
}

/** Are they here? `make build` unpacks them. */
export function hasServers(): boolean {
	const isThere = ['nginx', 'haproxy'].every((name) => existsSync(join(SERVERS, 'usr/sbin', name)));
	if (!isThere && process.env['BIRTHMARK_REQUIRE_POSTGRES']) throw new Error('the programs of nginx and HAProxy are missing: run "make build"');
	return isThere;
}

/** @returns what it wrote to standard error when it failed, undefined when it did not */
function complaint(file: string, args: readonly string[], cwd?: string): Promise<string | undefined> {
	return new Promise((resolve) => {
		execFile(file, args, { env: environment, ...(cwd !== undefined && { cwd }) }, (error, _stdout, stderr) => resolve(error ? `${error.message} ${stderr}` : undefined));
	});
}

/** OpenSSL in the generation in use, as after `cd -P current`. It packs a key only with its certificate. */
export function opensslReader(directory: string): Reader {
	const pairs = [['tls.crt', 'tls.key'], ['identity.pem', 'identity.pem']] as const;
	let reads = 0;
	return {
		name: 'openssl, in the generation in use',
		read() {
			const [certificate, key] = pairs[reads++ % 2]!;
			return complaint('openssl', ['pkcs12', '-export', '-in', certificate, '-inkey', key, '-passout', 'pass:none', '-iter', '1', '-out', '/dev/null'], join(directory, 'current'));
		},
		end: async () => {},
	};
}

/** Node in a process of its own: `file` reads identity.pem, `generation` both names below where `current` leads. */
export function nodeReader(directory: string, what: 'file' | 'generation'): Reader {
	const child = fork(new URL('../fakes/identity-reader.ts', import.meta.url), [directory, what]);
	return {
		name: `Node, ${what === 'file' ? 'identity.pem' : 'in the generation in use'}`,
		async read() {
			child.send('read');
			const [fault] = (await once(child, 'message')) as [string];
			return fault === '' ? undefined : fault;
		},
		end: () => ended(child, 'SIGKILL'),
	};
}

/** `nginx -t` with this in its server. */
export function nginxTester(folder: string, name: string, directives: string): Reader {
	const config = nginxConfig(folder, 'tester', directives);
	return { name: `nginx -t, ${name}`, read: () => complaint('nginx', ['-t', '-q', '-e', 'stderr', '-c', config]), end: async () => {} };
}

/** HAProxy's check of its configuration, with a combined file. */
export function haproxyTester(folder: string, directory: string): Reader {
	const config = join(folder, 'haproxy.cfg');
	// For requests of its own, which it never makes, it would read every root certificate of the system first.
	writeFileSync(config, `global\n  httpclient.ssl.verify none\ndefaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\nlisten tls\n  bind unix@${folder}/haproxy.sock ssl crt ${directory}/haproxy.pem\n  server none 127.0.0.1:9\n`);
	return { name: 'haproxy -c, haproxy.pem', read: () => complaint('haproxy', ['-c', '-f', config]), end: async () => {} };
}

/** A running nginx that reloads; it serves on `socket`. */
export interface RunningNginx extends Reader {
	readonly socket: string;
}

/**
 * Each read is a reload, done when the new worker was started or the old one kept. Afterwards it takes 100 ms until
 * the next (src/os/unix/ngx_process_cycle.c), so that several in turn read much more often than one.
 */
export async function startNginx(folder: string, name: string, directives: string): Promise<RunningNginx> {
	mkdirSync(folder);
	const config = nginxConfig(folder, 'server', directives);
	const child = spawn('nginx', ['-e', 'stderr', '-c', config, '-g', 'daemon off;'], { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
	const log: string[] = [];
	let settle: ((fault: string | undefined) => void) | undefined;
	const settled = (): Promise<string | undefined> => new Promise((resolve) => (settle = resolve));
	createInterface(child.stderr).on('line', (line) => {
		log.push(line);
		if (log.length > 50) log.shift();
		if (line.includes('[emerg]')) settle?.(line);
		else if (line.includes('start worker process ')) settle?.(undefined);
	});
	child.once('error', (error) => settle?.(String(error)));
	child.once('exit', () => settle?.(`nginx ended: ${log.join('\n')}`));
	const fault = await settled();
	if (fault !== undefined) throw new Error(fault);
	return {
		name: `nginx that reloads, ${name}`,
		socket: join(folder, 'server.sock'),
		read() {
			const done = settled();
			child.kill('SIGHUP');
			return done;
		},
		end: () => ended(child, 'SIGTERM'),
	};
}

function nginxConfig(folder: string, name: string, directives: string): string {
	const path = join(folder, `${name}.conf`);
	const temporary = join(folder, name);
	mkdirSync(temporary);
	const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${temporary}/${kind};`).join(' ');
	writeFileSync(path, `pid ${temporary}/pid; error_log stderr notice; worker_processes 1;
events { worker_connections 64; }
http { access_log off; ${places}
	server { listen unix:${folder}/${name}.sock ssl; ${directives} return 200; } }
`);
	return path;
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const exit = once(child, 'exit');
	child.kill(signal);
	await exit;
}
