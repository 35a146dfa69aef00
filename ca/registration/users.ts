/** Users: people and programs that sign tokens with keys of their own, and what each of them may name. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { UserInfo, UserRequest } from '#common/protocol/messages.ts';
import { checkName } from '#common/protocol/names.ts';
import type { Actor, UserRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { checkRules } from './allow.ts';
import { readUserKey, userKeyId } from './user-key.ts';

export interface UsersDeps {
	readonly store: Pick<Store, 'putUser' | 'listUsers' | 'setUserAllow'>;
	readonly clock: { now(): Date };
}

export interface Users {
	/**
	 * The same name with the same key again replaces the rules; a user that was cut off may come back,
	 * with any key.
	 *
	 * @throws BirthmarkError `name-illegal`, `request-malformed`, `csr-key-weak`, `csr-key-unsupported`, `user-exists`
	 */
	add(request: UserRequest, by: Actor): Promise<UserInfo>;
	list(): Promise<UserInfo[]>;
	/** @throws BirthmarkError `request-malformed`, `user-unknown` */
	allow(name: string, allow: readonly string[], by: Actor): Promise<UserInfo>;
}

export function createUsers({ store, clock }: UsersDeps): Users {
	const list = async (): Promise<UserInfo[]> => Promise.all((await store.listUsers(clock.now())).map(toInfo));
	const find = async (name: string): Promise<UserInfo> => {
		const user = (await list()).find((candidate) => candidate.name === name);
		if (!user) throw new BirthmarkError('user-unknown');
		return user;
	};
	return {
		async add({ name, publicKey, allow }, by) {
			checkName('user name', name);
			const { pem, algorithm } = readUserKey(publicKey);
			const outcome = await store.putUser({ name, publicKey: pem, algorithm, allow: checkRules(allow), status: 'active', createdAt: clock.now() }, by);
			if (outcome === 'exists') throw new BirthmarkError('user-exists', `there is already an active user "${name}", with another key: choose another name, or remove that one first`);
			return find(name);
		},
		list,
		async allow(name, allow, by) {
			if (!(await store.setUserAllow(name, checkRules(allow), clock.now(), by))) throw new BirthmarkError('user-unknown');
			return find(name);
		},
	};
}

async function toInfo({ createdAt, publicKey, ...user }: UserRecord & { readonly liveIdentities: number }): Promise<UserInfo> {
	return { ...user, keyId: await userKeyId(publicKey), createdAt: createdAt.toISOString() };
}
