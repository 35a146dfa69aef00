/** Containers that have an identity by their label alone, through the runtime. */

import type { ExecutionContext } from 'ava';
import type Docker from 'dockerode';
import type { Identity } from '#common/protocol/messages.ts';
import { RUNTIME } from '../../scripts/engine-runtime.ts';
import { eventually, type World } from './world.ts';

/** What a person writes: labels and `--runtime`. */
export function byLabel(name: string, options: Docker.ContainerCreateOptions = {}): Docker.ContainerCreateOptions {
	return {
		Image: 'test/busybox',
		Cmd: ['sleep', '600'],
		...options,
		name,
		Labels: { 'birthmark.cn': name, 'birthmark.ou': 'web-api', ...options.Labels },
		HostConfig: { Runtime: RUNTIME, ...options.HostConfig },
	};
}

/** Created and started; gone after the test. */
export async function startByLabel(world: World, t: ExecutionContext, name: string, options?: Docker.ContainerCreateOptions): Promise<Docker.Container> {
	const container = await world.plain(t, byLabel(name, options));
	await container.start();
	return container;
}

export function alive(world: World, name: string): Promise<Identity> {
	return eventually(`the identity of ${name} is live`, () => world.identity(name));
}

/** A live identity that is not the one before. */
export function bornAgain(world: World, name: string, before: Identity): Promise<Identity> {
	return eventually(`${name} has another identity`, async () => {
		const identity = await world.identity(name);
		return identity !== undefined && identity.serial !== before.serial && identity;
	});
}

/** @returns every life that it had */
export function allRevoked(world: World, name: string): Promise<Identity[]> {
	return eventually(`every identity of ${name} is revoked`, async () => {
		const lives = (await world.identities(true)).filter(({ commonName }) => commonName === name);
		return lives.length > 0 && lives.every(({ status }) => status === 'revoked') && lives;
	});
}

/** One certificate. */
export function isRevoked(world: World, { serial }: Identity): Promise<Identity> {
	return eventually(`${serial} is revoked`, async () => (await world.identities(true)).find((identity) => identity.serial === serial && identity.status === 'revoked'));
}
