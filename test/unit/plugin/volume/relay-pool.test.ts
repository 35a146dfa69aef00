import { Socket } from 'node:net';
import test from 'ava';
import { createRelayPool, type RelayPool } from '../../../../plugin/volume/relay-pool.ts';

/** As the relay does it. */
function connect(pool: RelayPool, open: Set<Socket>): Socket {
	const socket = new Socket();
	pool.makeRoom(open);
	open.add(socket);
	socket.on('close', () => open.delete(socket));
	return socket;
}

test('whoever comes when there is no room gets that of the one who has the most, the oldest first', (t) => {
	const pool = createRelayPool(4);
	const [greedy, modest] = [pool.join(), pool.join()];
	const first = connect(pool, greedy);
	const more = [connect(pool, greedy), connect(pool, greedy)];
	const own = connect(pool, modest);
	t.false([first, ...more, own].some(({ destroyed }) => destroyed));
	connect(pool, modest);
	t.deepEqual([first, ...more, own].map(({ destroyed }) => destroyed), [true, false, false, false]);
});

test('the one who has the most makes room for himself', (t) => {
	const pool = createRelayPool(2);
	const [one, other] = [pool.join(), pool.join()];
	const kept = connect(pool, other);
	const first = connect(pool, one);
	connect(pool, one);
	t.is([kept, first].filter(({ destroyed }) => destroyed).length, 1);
});

test('what has left does not count', (t) => {
	const pool = createRelayPool(1);
	const gone = pool.join();
	const before = connect(pool, gone);
	pool.leave(gone);
	connect(pool, pool.join());
	t.false(before.destroyed);
});
