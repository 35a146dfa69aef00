/**
 * Programs that read an identity over and over while it changes: those that people run, from the
 * distribution's packages. Each tells what it must never see.
 */

import { execFile, fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { toolEnvironment } from '../../scripts/packages.ts';
import { BUILD } from '../../scripts/paths.ts';

const SERVERS = join(BUILD, 'servers');
const environment = { ...process.env, ...toolEnvironment(SERVERS) };

/** One way to read an identity. */
export interface Reader {
	readonly name: string;
	/** more than one for those that are much faster than others */
	readonly readsPerRound?: number;
	/** Reads once. @returns what was wrong with it, undefined when all belonged together */
	read(): Promise<string | undefined>;
	end(): Promise<void>;
}

/** What a reader has seen so far. */
export interface Seen {
	reads: number;
	readonly faults: string[];
}

/** All readers at once, each as often as it reads in a round, one read right after the other. */
export async function readRound(readers: ReadonlyMap<Reader, Seen>): Promise<void> {
	await Promise.all([...readers].map(async ([reader, seen]) => {
		for (let count = 0; count < (reader.readsPerRound ?? 1); count++) {
			const fault = await reader.read().catch(String);
			if (fault !== undefined) seen.faults.push(fault);
			seen.reads++;
		}
	}));
}

/** Are they here? `make build` unpacks them. */
export function hasServers(): boolean {
	const isThere = ['nginx', 'haproxy'].every((name) => existsSync(join(SERVERS, 'usr/sbin', name)));
	if (!isThere && process.env['BIRTHMARK_REQUIRE_POSTGRES']) throw new Error('the programs of nginx and HAProxy are missing: run "make build"');
	return isThere;
}

/** @returns what it wrote to standard error when it failed, undefined when it did not */
function complaint(file: string, args: readonly string[]): Promise<string | undefined> {
	return new Promise((resolve) => {
		execFile(file, args, { env: environment }, (error, _stdout, stderr) => resolve(error ? `${error.message} ${stderr}` : undefined));
	});
}

/** A shell that goes into the generation in use, and OpenSSL there, which packs a key only with its certificate. */
export function opensslReader(directory: string): Reader {
	const script = 'cd -P "$1/current" && exec openssl pkcs12 -export -in "$2" -inkey "$3" -passout pass:none -out /dev/null';
	const pairs = [['tls.crt', 'tls.key'], ['identity.pem', 'identity.pem']] as const;
	let reads = 0;
	return { name: 'openssl, in the generation in use', read: () => complaint('sh', ['-c', script, 'sh', directory, ...pairs[reads++ % 2]!]), end: async () => {} };
}

/** Node in a process of its own: `file` reads identity.pem, `generation` both names below where `current` leads. */
export function nodeReader(directory: string, what: 'file' | 'generation'): Reader {
	const child = fork(new URL('../fakes/identity-reader.ts', import.meta.url), [directory, what]);
	return {
		name: `Node, ${what === 'file' ? 'identity.pem' : 'in the generation in use'}`,
		readsPerRound: 8,
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
	writeFileSync(config, `defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\nlisten tls\n  bind unix@${folder}/haproxy.sock ssl crt ${directory}/haproxy.pem\n  server none 127.0.0.1:9\n`);
	return { name: 'haproxy -c, haproxy.pem', read: () => complaint('haproxy', ['-c', '-f', config]), end: async () => {} };
}

/** A running nginx that reloads; it serves on `socket`. */
export interface RunningNginx extends Reader {
	readonly socket: string;
}

/** Each read is a reload, done when the new worker was started or the old one kept. */
export async function startNginx(folder: string, name: string, directives: string): Promise<RunningNginx> {
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
