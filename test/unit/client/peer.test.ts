import test from 'ava';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request, type RequestOptions } from 'node:https';
import { connect, createSecureContext, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { createCheck, type PeerMatcher } from '../../../client/matcher.ts';
import { partyOf, type Party } from '../../../client/party.ts';
import { allow, guarded, peerIdentity } from '../../../client/peer.ts';
import { createPki, issueLeaf, leafDefaults } from '../../fakes/ca.ts';
import { generateSigningKey } from '#common/x509/keys.ts';
import { holder, listen } from '../../support/mtls.ts';

const pki = await createPki();

const WORKLOAD: Party = {
	spiffeId: 'spiffe://birthmark.internal/production/web-api/api01',
	trustDomain: 'birthmark.internal',
	commonName: 'api01',
	organizationalUnit: 'web-api',
	organization: 'production',
	dnsNames: ['api01'],
	serial: '4a',
	notBefore: new Date(0),
	notAfter: new Date(1),
	isWorkload: true,
};
/** A node may be called as a service is: its certificate has the same root. */
const NODE: Party = { ...WORKLOAD, spiffeId: 'spiffe://birthmark.internal/birthmark/node/api01', organizationalUnit: 'birthmark-node', dnsNames: [], isWorkload: false };

const accepts = (peer: Party, ...matchers: PeerMatcher[]): boolean => {
	try {
		createCheck(matchers)(peer);
		return true;
	} catch (error) {
		if ((error as BirthmarkError).code === 'forbidden') return false;
		throw error;
	}
};

test('a peer is accepted when everything that one matcher names holds', (t) => {
	t.true(accepts(WORKLOAD, { organizationalUnit: 'web-api' }));
	t.true(accepts(WORKLOAD, { organizationalUnit: ['batch', 'web-api'], organization: 'production' }));
	t.true(accepts(WORKLOAD, { commonName: 'other' }, { spiffeId: WORKLOAD.spiffeId }));
	t.true(accepts(WORKLOAD, { trustDomain: 'birthmark.internal', commonName: 'api01' }));
	t.false(accepts(WORKLOAD, { organizationalUnit: 'web-api', organization: 'staging' }));
	t.false(accepts(WORKLOAD, { commonName: 'other' }, { organizationalUnit: 'batch' }));
});

test('names are compared whole and as they are', (t) => {
	for (const commonName of ['api0', 'api011', 'API01', 'api*', '.*', ' api01', 'api01\n']) t.false(accepts(WORKLOAD, { commonName }), commonName);
});

test('a node that is called as a service passes for it by no name, only by its own SPIFFE ID', (t) => {
	t.false(accepts(NODE, { commonName: 'api01' }));
	t.false(accepts(NODE, { organization: 'production' }));
	t.false(accepts(NODE, { organizationalUnit: 'birthmark-node' }));
	t.true(accepts(NODE, { spiffeId: NODE.spiffeId }));
});

test('a matcher that would accept everybody, or nobody, is a mistake that is told when it is made', (t) => {
	const mistakes: unknown[][] = [[], [{}], [{ organizationalUnit: [] }], [{ organizationalUnit: '' }], [{ organizationalUnit: undefined }], [{ commonName: ['api01', ''] }], [{ ou: 'web' }], [{ organizationalUnit: /web/ }], [{ commonName: 'api01' }, {}]];
	for (const matchers of mistakes) t.throws(() => allow(...(matchers as PeerMatcher[])), { instanceOf: BirthmarkError, code: 'usage' }, JSON.stringify(matchers));
});

test('a certificate names exactly one party, or nobody', async (t) => {
	const leaf = async (change: object) => new X509Certificate(await issueLeaf({ ...leafDefaults('api01', pki, 60), publicKey: generateSigningKey().publicKey, ...change }));
	t.like(partyOf(await leaf({})), { commonName: 'api01', organizationalUnit: 'web-api', organization: 'production', isWorkload: true });
	t.throws(() => partyOf(new X509Certificate(pki.bundle)), { code: 'certificate-invalid' });
	for (const spiffeId of ['https://birthmark.internal/x', 'spiffe://', 'spiffe://[', 'spiffe://birthmark.internal', 'spiffe://api@birthmark.internal/x', 'spiffe://birthmark.internal:1/x', 'spiffe://birthmark.internal/x?y', 'spiffe://Birthmark.internal/x']) {
		await t.throwsAsync(async () => partyOf(await leaf({ spiffeId })), { code: 'certificate-invalid', message: /SPIFFE ID/ }, spiffeId);
	}
});

interface Reply {
	readonly status: number;
	readonly body: string;
}

function get(options: RequestOptions): Promise<Reply> {
	return new Promise((resolve, reject) => {
		const outgoing = request({ host: '127.0.0.1', servername: 'server', ...options }, (response) => {
			let body = '';
			response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
			response.on('end', () => resolve({ status: response.statusCode!, body })).on('error', reject);
		});
		outgoing.on('error', reject).end();
	});
}

test('a guarded server tells its handler who calls, and others why they may not', async (t) => {
	const [server, client] = [await holder(t, 'server', pki), await holder(t, 'client', pki)];
	const check = allow({ commonName: 'client' });
	const port = await listen(t, server.me.follow(createServer(server.me.serverOptions(), guarded(check, (_, response, peer) => response.end(peer.commonName)))));
	const ask = async (who: typeof client): Promise<Reply> => {
		const agent = who.me.agent();
		t.teardown(() => agent.destroy());
		return get({ port, agent });
	};
	t.deepEqual(await ask(client), { status: 200, body: 'client' });
	const refused = await ask(server);
	t.is(refused.status, 403);
	t.like(JSON.parse(refused.body), { code: 'forbidden', detail: '"spiffe://birthmark.internal/production/web-api/server" is not accepted here: no matcher names it' });
});

test('whoever was not verified is nobody', async (t) => {
	const [server, stranger] = [await holder(t, 'server', pki), await holder(t, 'client', await createPki('Other'))];
	const options = { ...server.me.serverOptions(), rejectUnauthorized: false };
	const seen: unknown[] = [];
	const tlsServer = createTlsServer(options, (socket) => {
		seen.push(t.throws(() => peerIdentity(socket), { instanceOf: BirthmarkError, code: 'unauthenticated' }).message);
		socket.end('over');
	});
	const port = await listen(t, tlsServer);
	for (const credentials of [{}, { key: stranger.me.current.key, cert: stranger.me.current.chain }]) {
		const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...credentials });
		await once(socket.resume(), 'end');
		socket.destroy();
	}
	t.is(seen.length, 2);
	t.regex(String(seen[1]), /UNABLE_TO_GET/);
	t.throws(() => peerIdentity({ socket: undefined }), { code: 'unauthenticated' });
	t.throws(() => peerIdentity({ getAuthContext: () => ({}) }), { code: 'unauthenticated' });
});

test('a server is known by its name, or by the peer that is asked for instead', async (t) => {
	const [server, client] = [await holder(t, 'server', pki), await holder(t, 'client', pki)];
	const port = await listen(t, server.me.follow(createServer(server.me.serverOptions(), (_, response) => response.end('it is me'))));
	const ask = async (options: RequestOptions, peer?: PeerMatcher | PeerMatcher[]): Promise<string> => {
		const agent = client.me.agent(peer === undefined ? {} : { peer });
		t.teardown(() => agent.destroy());
		return (await get({ port, agent, ...options })).body;
	};
	t.is(await ask({}), 'it is me');
	await t.throwsAsync(ask({ servername: 'other' }), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
	t.is(await ask({ servername: 'other' }, { organizationalUnit: 'web-api' }), 'it is me');
	t.is(await ask({ servername: 'other' }, [{ commonName: 'x' }, { commonName: 'server' }]), 'it is me');
	await t.throwsAsync(ask({}, { organizationalUnit: 'db' }), { code: 'forbidden', message: /web-api\/server" is not accepted here/ });
	t.throws(() => client.me.agent({ peer: {} }), { code: 'usage' });
	t.throws(() => client.me.agent({ peer: [] }), { code: 'usage' });
});

test('a client that was verified by TLS 1.2 cannot shake hands again, with whichever certificate', async (t) => {
	const [server, client] = [await holder(t, 'server', pki, { minVersion: 'TLSv1.2' }), await holder(t, 'client', pki)];
	const port = await listen(t, server.me.follow(createTlsServer(server.me.serverOptions(), (socket) => {
		socket.on('error', () => {});
		socket.write('hello');
	})));
	const secureContext = createSecureContext({ ...client.me.current.tlsOptions, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', secureOptions: 0 });
	const socket = connect({ port, host: '127.0.0.1', servername: 'server', ...client.me.clientOptions(), secureContext });
	t.teardown(() => socket.destroy());
	const over = new Promise((resolve) => socket.on('error', resolve).once('close', resolve));
	await once(socket, 'data');
	t.is(socket.getProtocol(), 'TLSv1.2');
	const again = new Promise((resolve) => socket.renegotiate({}, () => resolve('shaken hands again')));
	t.not(await Promise.race([again, over]), 'shaken hands again');
});

test('with options for one connection the server is verified like with an agent', async (t) => {
	const [server, client, stranger] = [await holder(t, 'server', pki), await holder(t, 'client', pki), await holder(t, 'server', await createPki('Other'))];
	const port = await listen(t, server.me.follow(createTlsServer(server.me.serverOptions(), (socket) => socket.end(peerIdentity(socket).commonName))));
	const ask = async (who: typeof client, servername = 'server'): Promise<string> => {
		const socket: TLSSocket = connect({ port, host: '127.0.0.1', servername, ...who.me.clientOptions() });
		t.teardown(() => socket.destroy());
		let text = '';
		socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
		await once(socket, 'end');
		return text;
	};
	t.is(await ask(client), 'client');
	await t.throwsAsync(ask(client, 'other'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
	// It has no list of that CA either, and OpenSSL looks for one first.
	await t.throwsAsync(ask(stranger), { code: 'UNABLE_TO_GET_CRL' });
});
