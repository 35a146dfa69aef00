/**
 * Runs in a container: a server for mutual TLS with its identity, and every 100 ms two calls to the
 * other container, one on a kept connection and one on its own, as an application does it with
 * `birthmark/client`. One more answer of the other container never ends, and must not. Prints a JSON
 * line for each failure and, every tenth time, how many there were of each.
 */

import { createServer, request, type Agent } from 'node:https';
import { allow, guarded, identity } from 'birthmark/client';

/** A program that is given as text has its first argument there. */
const [, PEER = ''] = process.argv;
const PORT = 8443;
const CALL_MS = 100;

const me = await identity();
const say = (line: object): void => void process.stdout.write(JSON.stringify(line) + '\n');

let failed = 0;
let done = 0;
const fail = (where: string, error: Error & { code?: string }): void => {
	failed++;
	say({ failure: where, code: error.code, reason: error.message, at: new Date().toISOString() });
};

const mayCall = allow({ commonName: PEER, organizationalUnit: 'web-api' });
const server = me.follow(createServer(me.serverOptions(), guarded(mayCall, ({ url }, response) => {
	if (url === '/for-ever') response.write('begun');
	else response.end();
})));
// A machine that stands still for seconds must not look like a server that is tired of a connection.
server.keepAliveTimeout = 600_000;
server.on('tlsClientError', (error: Error) => fail('server', error));
server.listen(PORT, () => say({ listening: PORT }));
me.on('change', ({ serial }) => say({ serial }));
me.on('problem', (error) => fail('identity', error));

const kept = me.agent();
const anew = me.agent({ keepAlive: false });

function call(agent: Agent, path = '/'): Promise<void> {
	return new Promise((resolve, reject) => {
		const outgoing = request({ host: PEER, port: PORT, path, agent, timeout: 10_000 }, (answer) => {
			if (answer.statusCode !== 200) reject(new Error(`status ${answer.statusCode}`));
			answer.resume().on('end', resolve).on('error', reject);
			if (path === '/for-ever') outgoing.setTimeout(0);
		});
		outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')));
		outgoing.on('error', reject);
		outgoing.end();
	});
}

/** The other one may not be there yet. */
async function meet(): Promise<void> {
	try {
		await call(anew);
	} catch {
		setTimeout(() => void meet(), CALL_MS);
		return;
	}
	setInterval(talk, CALL_MS);
	call(kept, '/for-ever').then(() => fail('stream', new Error('it ended')), (error: Error) => fail('stream', error));
}

function talk(): void {
	for (const agent of [kept, anew]) call(agent).then(() => ++done % 10 === 0 && say({ done, failed }), (error: Error) => fail('client', error));
}

await meet();
