/**
 * The revocation lists that the CA publishes (RFC 5280 §5). Per generation of its issuer there is one
 * of everything, for programs that get it as a file, and one per partition, for those who follow the
 * distribution point in a certificate. They are rows in the store: an instance that finds one out of
 * date makes the next, and every look goes there first, so that nobody is given a list that lacks
 * what any instance has revoked.
 */

import { signRevocationList } from '#common/x509/crl.ts';
import { encodePem } from '#common/x509/pem.ts';
import type { Authorities, Authority } from '../issuance/authorities.ts';
import type { ListRecord, Store } from '../store/store.ts';
import { partitionUrl } from './addresses.ts';

export interface PublishedList extends Required<ListRecord> {}

export interface RevocationLists {
	/** The newest list of everything under the active issuer that this instance has seen: for metrics, not for answers. */
	current(): PublishedList;
	/** Of everything under the active issuer: covers what was revoked before the call, by whichever instance. */
	latest(): Promise<PublishedList>;
	/** The same of every generation and of their roots: what a program needs to check a whole chain. */
	latestPem(): Promise<{ readonly numbers: readonly number[]; readonly pem: string }>;
	/** The list of one partition; undefined when there is none, or nobody can sign for it any more. */
	partition(partition: number): Promise<PublishedList | undefined>;
	/** Makes what is due, so that nobody has to wait for it. */
	refresh(): Promise<void>;
}

export interface RevocationListDeps {
	readonly store: Pick<Store, 'findRevocationList' | 'nextRevocationList' | 'publishRevocationList' | 'findPartition'>;
	readonly authorities: Pick<Authorities, 'current'>;
	readonly clock: { now(): Date };
	readonly refreshSeconds: number;
	readonly lifetimeSeconds: number;
	readonly backdateSeconds: number;
}

interface Scope {
	readonly authority: Authority;
	readonly partition: number;
	readonly distributionPoint?: string;
}

/** One that was being made when somebody came may lack what he came for; the one after it has it. */
const MAX_ROUNDS = 5;
/** Whole lists are few; of the partitions the ones that are asked for. */
const MAX_KNOWN = 64;

/** Has a first list, which covers whatever was revoked before the process last ended. */
export async function openRevocationLists(deps: RevocationListDeps): Promise<RevocationLists> {
	const { store, authorities, clock, refreshSeconds, lifetimeSeconds, backdateSeconds } = deps;
	const known = new Map<string, PublishedList>();
	const making = new Map<string, Promise<void>>();

	/** @param since when somebody asked: what was made after that is fresh for him, however long it took */
	const isDue = ({ thisUpdate, nextUpdate }: ListRecord, since: number): boolean => {
		const now = clock.now().getTime();
		const age = since - (thisUpdate.getTime() + backdateSeconds * 1000);
		// Where the clock was set back the list is not valid yet, where the settings were changed it may end too early.
		return age >= refreshSeconds * 1000 || now < thisUpdate.getTime() || now >= nextUpdate.getTime();
	};
	const make = async ({ authority, partition, distributionPoint }: Scope): Promise<void> => {
		const madeAt = clock.now().getTime();
		const scope = { generation: authority.generation, partition };
		// RFC 5280 §3.3: an entry stays until it was on a list made after its certificate's end. In the life of a list there is one.
		const { number, version, entries } = await store.nextRevocationList(scope, new Date(madeAt - lifetimeSeconds * 1000), new Date(madeAt));
		const times = { thisUpdate: new Date(madeAt - backdateSeconds * 1000), nextUpdate: new Date(madeAt + lifetimeSeconds * 1000) };
		const der = signRevocationList({ number, entries, ...times, ...(distributionPoint !== undefined && { distributionPoint }) }, authority.issuer);
		await store.publishRevocationList({ ...scope, number, version, der, ...times });
	};
	const remember = (key: string, list: PublishedList): PublishedList => {
		// In the order of their last use.
		known.delete(key);
		known.set(key, list);
		if (known.size > MAX_KNOWN) known.delete(known.keys().next().value!);
		return list;
	};
	const latestOf = async (scope: Scope): Promise<PublishedList> => {
		const { authority: { generation }, partition } = scope;
		const key = `${generation}/${partition}`;
		const since = clock.now().getTime();
		let needed: number | undefined;
		for (let round = 0; round < MAX_ROUNDS; round++) {
			const before = known.get(key);
			const found = await store.findRevocationList({ generation, partition }, before?.number ?? null);
			const { list } = found;
			// What is revoked from here on is for those who come later; else a list would never be good enough while revocations go on.
			needed ??= found.needed;
			if (list && list.version >= needed && !isDue(list, since)) return remember(key, { ...list, der: list.der ?? before!.der });
			// Many who find it out of date at once share the next one, and look again whether it has what they came for.
			let made = making.get(key);
			if (!made) making.set(key, made = make(scope).finally(() => making.delete(key)));
			await made;
		}
		throw new Error('revocation lists are out of date as soon as they are made: the clocks of the instances are too far apart');
	};
	const everything = (authority: Authority) => latestOf({ authority, partition: 0 });
	const active = () => everything(authorities.current().active);

	await active();
	return {
		current: () => known.get(`${authorities.current().active.generation}/0`) ?? [...known.values()][0]!,
		latest: active,
		async latestPem() {
			const { all } = authorities.current();
			const lists = await Promise.all(all.map(everything));
			const roots = new Set(all.map(({ rootRevocationList }) => rootRevocationList));
			return { numbers: lists.map(({ number }) => number), pem: [...lists.map(({ der }) => encodePem('X509 CRL', der)), ...roots].join('') };
		},
		async partition(partition) {
			const found = await store.findPartition(partition);
			const authority = found && authorities.current().all.find(({ generation }) => generation === found.generation);
			return authority && latestOf({ authority, partition, distributionPoint: partitionUrl(found.url, partition) });
		},
		async refresh() {
			for (const authority of authorities.current().all) await everything(authority);
		},
	};
}
