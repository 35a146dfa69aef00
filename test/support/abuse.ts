/**
 * The catalogue of abuses (docs/threat-model.md): each is a test that sends the exact request to the
 * engine and looks at what became of it. What came out is written to a file, of which `make test`
 * makes the table in its report.
 *
 *     abuse(23, 'another container mounts the volume', refused('identity-isolated'), async (t, scene) => {
 *         const victim = await scene.victim(t);
 *         await scene.refusesCreate(t, { HostConfig: { Binds: [`${victim.volume}:/x`] } });
 *     });
 *
 * A number may have several tests. test/unit/abuses.test.ts reads the calls from the source: number,
 * title and verdict are written as literals on one line.
 */

import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type Docker from 'dockerode';
import type { ErrorCode } from '#common/protocol/errors.ts';
import type { AbuseOutcome } from '../../scripts/abuse-report.ts';
import { chunked, exchangeRaw, json, message, type RawAnswer } from './raw-http.ts';
import { DIRECTORY, eventually, openWorld, type World } from './world.ts';

export { chunked, json, message };

/** What becomes of an abuse. */
export type AbuseVerdict =
	| { readonly kind: 'refused'; readonly codes: readonly ErrorCode[] }
	/** it goes through and gains nothing: the test shows it */
	| { readonly kind: 'harmless' }
	/** no plugin sees it, or it is accepted: the name of a paragraph of docs/threat-model.md */
	| { readonly kind: 'limit'; readonly name: string }
	/** this engine has no such thing */
	| { readonly kind: 'absent'; readonly why: string };

export const refused = (...codes: ErrorCode[]): AbuseVerdict => ({ kind: 'refused', codes });
export const harmless = (): AbuseVerdict => ({ kind: 'harmless' });
export const limit = (name: string): AbuseVerdict => ({ kind: 'limit', name });
/** Returned by a test for an engine that does not know what is abused. */
export const absent = (why: string): AbuseVerdict => ({ kind: 'absent', why });

/** A running container with an identity of the role `web`, of which nobody is permitted anything. */
export interface Victim {
	readonly container: Docker.Container;
	readonly id: string;
	/** also its CN */
	readonly name: string;
	readonly volume: string;
	/** its identity directory as the host sees it */
	readonly directory: string;
}

export interface Scene {
	readonly world: World;
	/** A victim whose agent has enrolled; removed after the test. The test fails if its identity is another one at its end. */
	victim(t: ExecutionContext): Promise<Victim>;
	/** The same, for tests that leave it as it is: one for all tests of the file. */
	sharedVictim(t: ExecutionContext): Promise<Victim>;
	send(request: Uint8Array): Promise<RawAnswer>;
	/** Sends; fails unless it is refused by the plugin with this code, or with one of those declared. */
	refuses(t: ExecutionContext, request: Uint8Array, code?: ErrorCode): Promise<RawAnswer>;
	/** Fails unless this is a refusal of the plugin with this code, or with one of those declared. */
	wasRefused(t: ExecutionContext, answer: RawAnswer, code?: ErrorCode): void;
	/**
	 * Sends a create; fails unless it is refused and there is no such container afterwards.
	 *
	 * @param body a value, to which an image is added, or text that is sent as it is
	 * @param build makes the bytes of another kind of request; gets a target with a fresh name in it
	 */
	refusesCreate(t: ExecutionContext, body: unknown, options?: { code?: ErrorCode; build?: (line: string, body: string) => Uint8Array; line?: string }): Promise<RawAnswer>;
	/** Creates, and if that works starts, a container as asked for; gone after the test. @returns the answer to create, and what the container printed */
	attempt(t: ExecutionContext, body: object): Promise<{ answer: RawAnswer; output: string }>;
	/** The secrets on the volume of a victim. */
	secrets(victim: Victim): readonly string[];
}

const IMAGE = 'test/busybox';

/** Declares the test of an abuse. `body` may return {@link absent} for an engine that has no such thing. */
export function abuse(number: number, title: string, verdict: AbuseVerdict, body: (t: ExecutionContext, scene: Scene) => Promise<AbuseVerdict | void>): void {
	test(`${number}: ${title}`, async (t) => {
		const codes = new Set<ErrorCode>();
		const scene = openScene(verdict, codes);
		let found: AbuseVerdict | undefined;
		try {
			found = (await body(t, scene)) ?? verdict;
			// Of those that were declared, what this engine gave; a test that looks at the answer itself declares just that.
			if (found === verdict && verdict.kind === 'refused' && codes.size > 0) found = refused(...codes);
		} finally {
			record({ number, title, engine: engineName(scene.world), verdict: found && t.passed ? verdictText(found) : 'FAILED' });
		}
	});
}

/** As the report and docs/threat-model.md write it. */
export function verdictText(verdict: AbuseVerdict): string {
	if (verdict.kind === 'refused') return `refused: ${verdict.codes.join(', ')}`;
	if (verdict.kind === 'limit') return `limit: ${verdict.name}`;
	if (verdict.kind === 'absent') return `not there: ${verdict.why}`;
	return 'harmless';
}

/** Without what the distribution adds: `26.1.5`. */
function engineName({ engineVersion }: World): string {
	return /^[0-9.]+/.exec(engineVersion)?.[0] ?? engineVersion;
}

function record(outcome: AbuseOutcome): void {
	const file = process.env['BIRTHMARK_ABUSES'];
	if (file) appendFileSync(file, JSON.stringify(outcome) + '\n');
}

/** @param seen gets the codes of what was refused */
function openScene(verdict: AbuseVerdict, seen: Set<ErrorCode>): Scene {
	const world = openWorld();
	const declared = verdict.kind === 'refused' ? verdict.codes : [];
	const send = (request: Uint8Array): Promise<RawAnswer> => exchangeRaw(world.paths.socket, request);

	const wasRefused: Scene['wasRefused'] = (t, answer, code) => {
		for (const given of expectRefusal(t, answer, code === undefined ? declared : [code])) seen.add(given);
	};

	const scene: Scene = {
		world,
		send,
		wasRefused,
		victim: async (t) => {
			const [victim, serial] = await makeVictim(world, t);
			t.teardown(() => isUnchanged(world, victim, serial));
			return victim;
		},
		sharedVictim: async (t) => {
			shared ??= makeVictim(world, { teardown: (clean) => afterAll.push(clean) });
			const [victim, serial] = await shared;
			t.teardown(() => isUnchanged(world, victim, serial));
			return victim;
		},
		refuses: async (t, request, code) => {
			const answer = await send(request);
			wasRefused(t, answer, code);
			return answer;
		},
		refusesCreate: async (t, body, options = {}) => {
			const name = world.name('attacker');
			const text = typeof body === 'string' ? body : JSON.stringify({ Image: IMAGE, Cmd: ['true'], ...(body as object) });
			const line = (options.line ?? 'POST /containers/create?name=NAME').replace('NAME', name);
			t.teardown(() => world.docker.getContainer(name).remove({ force: true, v: true }).catch(() => {}));
			const answer = await send((options.build ?? json)(line, text));
			wasRefused(t, answer, options.code);
			const { status } = await send(message(`GET /containers/${name}/json`));
			t.is(status, 404, 'no container was created');
			return answer;
		},
		attempt: async (t, body) => {
			const name = world.name('attacker');
			const container = world.docker.getContainer(name);
			t.teardown(() => container.remove({ force: true, v: true }).catch(() => {}));
			const answer = await send(json(`POST /containers/create?name=${name}`, { Image: IMAGE, ...body }));
			if (answer.status !== 201) return { answer, output: '' };
			const started = await send(message(`POST /containers/${name}/start`, ['Content-Length: 0']));
			if (started.status !== 204) return { answer, output: started.body };
			await container.wait();
			return { answer, output: await world.logs(container) };
		},
		secrets: ({ directory }) => ['identity.pem', 'tls.key', 'token'].flatMap((file) => {
			try {
				return readFileSync(join(directory, file), 'utf8').trim();
			} catch {
				return []; // the token goes when it has been used
			}
		}),
	};
	return scene;
}

let shared: Promise<[Victim, string]> | undefined;
const afterAll: (() => unknown)[] = [];
test.after.always(async () => {
	for (const clean of afterAll.reverse()) await clean();
});

/** @returns the victim and the serial number of its certificate */
async function makeVictim(world: World, t: Pick<ExecutionContext, 'teardown'>): Promise<[Victim, string]> {
	const name = world.name('web');
	const container = await world.start(t as ExecutionContext, { commonName: name, organizationalUnit: 'web' }, { Image: IMAGE, name, Entrypoint: ['sleep'], Cmd: ['600'] });
	const { serial } = await eventually('the victim has its identity', () => world.identity(name));
	const { Mounts } = await container.inspect();
	const volume = Mounts.find(({ Destination }) => Destination === DIRECTORY)?.Name ?? '';
	// Between them stands the beginning of the plugin's id.
	const identities = join(world.paths.run, 'birthmark');
	const directory = await eventually('the identity is published', async () => readdirSync(identities).map((plugin) => join(identities, plugin, volume)).find((path) => existsSync(join(path, 'identity.pem'))));
	return [{ container, id: container.id, name, volume, directory }, serial];
}

/** Nothing that was refused may have disturbed it; the test itself may have ended it. */
async function isUnchanged(world: World, { name }: Victim, serial: string): Promise<void> {
	const now = await world.identity(name);
	if (now && now.serial !== serial) throw new Error(`the identity of the victim ${name} changed`);
}

/** @returns the code that was given */
function expectRefusal(t: ExecutionContext, { status, body }: RawAnswer, codes: readonly ErrorCode[]): readonly ErrorCode[] {
	t.is(status, 403, body);
	const given = codes.filter((code) => body.includes(`[${code}]`));
	t.is(given.length, 1, `refused with one of ${codes.join(', ')}: ${body}`);
	return given;
}
