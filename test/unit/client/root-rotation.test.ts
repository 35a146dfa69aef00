import test from 'ava';
import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { createPki, revocationLists, successorOf } from '../../fakes/ca.ts';
import { holder, listen } from '../../support/mtls.ts';

test('the root of the CA is replaced under both ends: each new connection is good at every step, and the first one lasts', async (t) => {
	const pki = await createPki();
	const next = await successorOf(pki);
	const both = Buffer.concat([next.bundle, pki.bundle]);
	const [server, client] = [await holder(t, 'server', pki), await holder(t, 'client', pki)];
	const port = await listen(t, server.me.follow(createServer(server.me.serverOptions(), (socket) => {
		socket.on('error', () => {});
		socket.write('hello');
		socket.pipe(socket);
	})));
	const connected = async (): Promise<TLSSocket> => {
		const socket = connect({ port, host: '127.0.0.1', servername: 'server', ...client.me.clientOptions() });
		t.teardown(() => socket.destroy());
		await once(socket, 'data');
		return socket;
	};
	const lasting = await connected();
	const lists = revocationLists(next) + revocationLists(pki);
	const step = (act: (end: typeof server) => Promise<unknown>) => async (): Promise<void> => {
		for (const end of [server, client]) {
			await act(end);
			await connected();
			lasting.write('still there');
			t.is(String((await once(lasting, 'data'))[0]), 'still there');
		}
	};
	const steps = [
		step(async (end) => {
			end.putLists(lists);
			end.me.refresh();
		}),
		step((end) => end.next({ bundle: both })),
		step((end) => end.next({ issuer: next })),
		step((end) => end.next({ bundle: next.bundle })),
		step((end) => end.next()),
	];
	for (const one of steps) await one();
	t.is(server.me.current.bundle, next.bundle.toString());
	// Who stayed behind knows the old root only.
	const late = await holder(t, 'client', pki);
	const socket = connect({ port, host: '127.0.0.1', servername: 'server', ...late.me.clientOptions() });
	t.teardown(() => socket.destroy());
	await t.throwsAsync(once(socket, 'data'));
});
