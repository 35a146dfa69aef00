/**
 * Runs in a container: a server for mutual TLS with its identity, and every 100 ms a call to the other
 * container, as an application does it that follows the files on the volume. Prints a JSON line for
 * each failure and, every tenth call, how many there were of each. Self-contained: it is sent as text.
 */

import { readFileSync, watch } from 'node:fs';
import { createServer, request } from 'node:https';

const PEER = process.argv[1]!;
const DIRECTORY = '/run/birthmark';
const PORT = 8443;
const CALL_MS = 100;
/** Several files change at once; they are read when it has been quiet for so long. */
const SETTLE_MS = 50;

const read = (name: string): Buffer => readFileSync(`${DIRECTORY}/${name}`);
const load = () => ({ key: read('identity.pem'), cert: read('identity.pem'), ca: read('ca.crt'), crl: read('crl.pem'), minVersion: 'TLSv1.3' as const });
const say = (line: object): void => void process.stdout.write(JSON.stringify(line) + '\n');

let failed = 0;
let done = 0;
const fail = (where: string, error: Error & { code?: string }): void => {
	failed++;
	say({ failure: where, code: error.code, reason: error.message, at: new Date().toISOString() });
};

const server = createServer({ ...load(), requestCert: true, rejectUnauthorized: true }, (_, response) => response.writeHead(200, { Connection: 'close' }).end());
server.on('tlsClientError', (error: Error) => fail('server', error));
let timer: NodeJS.Timeout | undefined;
watch(DIRECTORY, () => {
	clearTimeout(timer);
	timer = setTimeout(() => server.setSecureContext(load()), SETTLE_MS);
});
server.listen(PORT, () => say({ listening: PORT }));

function call(onEnd: (error?: Error) => void): void {
	const outgoing = request({ host: PEER, port: PORT, servername: PEER, agent: false, timeout: 10_000, ...load() }, (answer) => answer.resume().on('end', () => onEnd()));
	outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')));
	outgoing.on('error', onEnd);
	outgoing.end();
}

/** The other one may not be there yet. */
function meet(): void {
	call((error) => (error ? setTimeout(meet, CALL_MS) : setInterval(talk, CALL_MS)));
}

function talk(): void {
	call((error) => {
		if (error) return fail('client', error);
		if (++done % 10 === 0) say({ done, failed });
	});
}

meet();
