/** A container's life with a plugin that dies at each step in turn: nothing counts twice, and nothing is left. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test from 'ava';
import tmp from 'tmp';
import type { Delivery } from '#common/protocol/agent-file.ts';
import { engineContainer } from '../../fakes/plugin-engine.ts';
import { newHost, redeemToken, startMortalPlugin, type Host, type MortalPlugin } from '../../fakes/mortal-plugin.ts';

/** Every pair of a first and a second death is for the soak. */
const EVERY_PAIR = Number(process.env['BIRTHMARK_PROPERTY_RUNS'] ?? 1) > 1;
const SECOND_DEATHS = EVERY_PAIR ? Array.from({ length: 40 }, (_, index) => index + 1) : [1, 4];

/** Plugins one after the other: each dies at its step, the last one does not. */
class Life {
	readonly #host: Host;
	readonly #deaths: number[];
	readonly #isSwept: boolean;
	#plugin: MortalPlugin | undefined;
	#ids = 0;
	/** the engine's id of a mount; it keeps that of an unmount that failed */
	#mountId: string | undefined;
	/** of the start that the runtime was told */
	#startId: string | undefined;

	constructor(host: Host, deaths: readonly number[], isSwept: boolean) {
		this.#host = host;
		this.#isSwept = isSwept;
		this.#deaths = [...deaths];
	}

	/** @returns the steps that the last plugin took */
	async run(): Promise<number> {
		const container = await this.#create();
		await this.#start(container);
		await this.#copy(container);
		await this.#stop(container);
		await this.#start(container);
		await this.#stop(container);
		await this.#remove(container);
		let plugin: MortalPlugin;
		do plugin = await this.#alive();
		while (!(await plugin.sweep().then(() => plugin.delivered()).then(() => true, () => false)));
		const steps = plugin.steps();
		plugin.end();
		return steps;
	}

	/** The engine starts it again when it has died. */
	async #alive(): Promise<MortalPlugin> {
		while (this.#plugin === undefined || this.#plugin.isDead()) {
			this.#plugin?.end();
			this.#plugin = await startMortalPlugin(this.#host, this.#deaths.shift()).catch(() => undefined);
			// Woken by the first proof, unless the engine is quicker.
			if (this.#isSwept) await this.#plugin?.sweep().catch(() => undefined);
		}
		return this.#plugin;
	}

	/** @returns false when the connection broke or the plugin refused */
	async #ask(work: (plugin: MortalPlugin) => Promise<unknown>): Promise<boolean> {
		const plugin = await this.#alive();
		return plugin.call(() => work(plugin)).then(() => true, () => false);
	}

	async #create(): Promise<string> {
		for (;;) {
			const id = (++this.#ids).toString(16).padStart(64, '0');
			this.#host.containers.set(id, 'created');
			if (await this.#ask((plugin) => plugin.bind(id))) return id;
			this.#host.containers.delete(id);
		}
	}

	async #start(id: string): Promise<void> {
		let attempts = 0;
		for (;;) {
			const mountId = this.#mountId ?? `m${++this.#ids}`;
			if (await this.#ask((plugin) => this.#begin(plugin, id, mountId))) {
				this.#mountId = mountId;
				this.#host.containers.set(id, 'running');
				assert.ok(redeemToken(this.#host, id), 'the token of this start is good');
				await this.#delivered();
				assert.equal(this.#host.ca.live(), 1, 'the one before is over');
				return;
			}
			assert.ok(++attempts < 5, 'a start that failed can be repeated');
		}
	}

	async #begin({ volumes }: MortalPlugin, id: string, mountId: string): Promise<void> {
		if (this.#host.delivery === 'volume') await volumes.mount(id, mountId);
		else this.#startId = (await volumes.startByRuntime(engineContainer({ Id: id, State: 'created' }))).startId;
	}

	async #end({ volumes }: MortalPlugin, id: string): Promise<void> {
		if (this.#host.delivery === 'volume') await volumes.unmount(id, this.#mountId!);
		else await volumes.endByRuntime(id, this.#startId!);
	}

	/** Only volumes are mounted for copies. */
	async #copy(id: string): Promise<void> {
		if (this.#host.delivery === 'runtime') return;
		if (await this.#ask((plugin) => plugin.volumes.mount(id, this.#mountId!))) await this.#ask((plugin) => plugin.volumes.unmount(id, this.#mountId!));
		assert.equal(this.#host.ca.live(), 1, 'the identity is not disturbed');
	}

	async #stop(id: string): Promise<void> {
		this.#host.containers.set(id, 'exited');
		if (await this.#ask((plugin) => this.#end(plugin, id))) this.#mountId = undefined;
		await this.#delivered();
	}

	async #delivered(): Promise<void> {
		while (!(await (await this.#alive()).delivered().then(() => true, () => false)));
	}

	async #remove(id: string): Promise<void> {
		this.#host.containers.delete(id);
		await this.#ask((plugin) => plugin.sweep());
		if (this.#host.delivery === 'volume') await this.#ask((plugin) => plugin.volumes.remove(id));
	}
}

async function check(delivery: Delivery, deaths: readonly number[]): Promise<number> {
	await checkOnce(delivery, deaths, false);
	return checkOnce(delivery, deaths, true);
}

async function checkOnce(delivery: Delivery, deaths: readonly number[], isSwept: boolean): Promise<number> {
	// In memory: each of its transactions is synced.
	const directory = tmp.dirSync({ tmpdir: '/dev/shm', unsafeCleanup: true });
	try {
		const host = newHost(directory.name, delivery);
		const steps = await new Life(host, deaths, isSwept).run();
		const { ca } = host;
		assert.equal(ca.live(), 0, 'nothing lives on');
		assert.ok([...ca.authorizations.values()].every(({ ended }) => ended), 'no authorization is left at the CA');
		assert.equal(new Set(ca.certificates.map(({ startId }) => startId)).size, ca.certificates.length, 'one certificate for a start');
		assert.ok(ca.certificates.length >= 2);
		assert.equal(new Set(ca.ends).size, ca.ends.length);
		assert.deepEqual(readdirSync(host.mounts.directory), [], 'nothing is mounted');
		return steps;
	} catch (error) {
		throw new Error(`with deaths at the steps ${deaths.join(', ')}: ${String(error)}`, { cause: error });
	} finally {
		directory.removeCallback();
	}
}

for (const delivery of ['volume', 'runtime'] as const) {
	test(`a plugin that dies at any one step of a life by ${delivery} leaves nothing behind, and the life goes on`, async (t) => {
		t.timeout(300_000);
		const steps = await check(delivery, []);
		t.true(steps > 40, `a life has ${steps} steps`);
		for (let death = 1; death <= steps; death++) await check(delivery, [death]);
	});

	test(`nor one that dies again soon after, by ${delivery}`, async (t) => {
		t.timeout(600_000);
		const steps = await check(delivery, []);
		for (let death = 1; death <= steps; death++) {
			for (const second of SECOND_DEATHS) await t.notThrowsAsync(check(delivery, [death, second]));
		}
	});
}
