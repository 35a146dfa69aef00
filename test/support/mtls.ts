/** What the library's tests need on both ends: watches of identities that go with the test, and requests until they are told to stop. */

import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import type { ExecutionContext } from 'ava';
import { identity, type IdentityOptions, type IdentityWatch } from '../../client/watch.ts';
import type { FakePki } from '../fakes/ca.ts';
import { identityDirectory, type IdentityDirectory } from '../fakes/identity-directory.ts';

export interface Holder extends IdentityDirectory {
	readonly me: IdentityWatch;
	/** Rotates, and has the watch look. */
	next(change?: Parameters<IdentityDirectory['rotate']>[0]): Promise<string>;
}

export async function holder(t: ExecutionContext, name: string, pki: FakePki, options: IdentityOptions = {}): Promise<Holder> {
	const files = await identityDirectory(t, name, pki);
	const me = await identity({ ...options, directory: files.directory });
	t.teardown(() => me.close());
	return {
		...files,
		get serial() {
			return files.serial;
		},
		me,
		next: async (change) => {
			const serial = await files.rotate(change);
			me.refresh();
			return serial;
		},
	};
}

/** @returns the port on the loopback interface; the server ends with the test */
export async function listen(t: ExecutionContext, server: Server & { closeAllConnections?(): void }): Promise<number> {
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => {
		server.closeAllConnections?.();
		server.close();
	});
	return (server.address() as AddressInfo).port;
}

/**
 * Calls again and again, several at a time, while something else goes on, which may wait until a call
 * that began later is answered.
 *
 * @returns how many calls were answered; the first that fails ends it
 */
export async function meanwhile(call: () => Promise<unknown>, act: (answeredSince: () => Promise<void>) => Promise<void>, lanes = 4): Promise<number> {
	const waiting = new Set<{ left: number; resolve(): void }>();
	let done = 0;
	let isOver = false;
	const lane = async (): Promise<void> => {
		while (!isOver) {
			await call();
			done++;
			for (const one of waiting) if (--one.left === 0) one.resolve();
		}
	};
	// Each lane may have a call under way that began before.
	const answeredSince = (): Promise<void> => new Promise((resolve) => waiting.add({ left: lanes + 1, resolve }));
	const calling = Promise.all(Array.from({ length: lanes }, lane));
	try {
		await Promise.race([act(answeredSince), calling]);
	} finally {
		isOver = true;
	}
	await calling;
	return done;
}
