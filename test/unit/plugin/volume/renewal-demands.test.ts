import test from 'ava';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { NodeDemands } from '#common/protocol/renewal-demands.ts';
import { watchRenewalDemands } from '../../../../plugin/volume/renewal-demands.ts';

/** A CA that gives the scripted answers and then holds every request. */
function world(t: { teardown(clean: () => void): void }, script: Array<NodeDemands | BirthmarkError>, options: { isWanted?: () => boolean; onDemand?: (demand: NodeDemands['demands'][number]) => void } = {}) {
	const asked: number[] = [];
	const told: string[] = [];
	const { promise: atTheEnd, resolve } = Promise.withResolvers<void>();
	const ca = {
		renewalDemands: async (after: number) => {
			asked.push(after);
			const answer = script.shift();
			if (answer instanceof BirthmarkError) throw answer;
			if (answer) return answer;
			resolve();
			return new Promise<never>(() => undefined);
		},
	};
	const watch = watchRenewalDemands({ ca, isWanted: () => true, onDemand: ({ serial }) => void told.push(serial), logger: { debug: () => undefined, info: () => undefined }, intervalMs: 1, ...options });
	t.teardown(() => watch.close());
	return { asked, told, atTheEnd };
}

test('each demand is told once, and the next question goes on from there', async (t) => {
	const { asked, told, atTheEnd } = world(t, [{ number: 4, demands: [{ serial: 'aa', authorizationId: '1' }, { serial: 'bb', authorizationId: '2' }] }, { number: 4, demands: [] }, { number: 5, demands: [{ serial: 'cc', authorizationId: '1' }] }]);
	await atTheEnd;
	t.deepEqual(asked, [0, 4, 4, 5]);
	t.deepEqual(told, ['aa', 'bb', 'cc']);
});

test('of very many each is told', async (t) => {
	const demands = Array.from({ length: 250 }, (_, index) => ({ serial: String(index), authorizationId: String(index) }));
	const { told, atTheEnd } = world(t, [{ number: 4, demands }]);
	await atTheEnd;
	t.deepEqual(told, demands.map(({ serial }) => serial));
});

test('whoever cannot be told now keeps nobody else from being told, and no next demand', async (t) => {
	const told: string[] = [];
	const demands = Array.from({ length: 150 }, (_, index) => ({ serial: String(index), authorizationId: String(index) }));
	const { atTheEnd } = world(t, [{ number: 4, demands }, { number: 5, demands: [{ serial: 'aa', authorizationId: '1' }] }], {
		onDemand: async ({ serial }) => {
			told.push(serial);
			await new Promise(() => undefined);
		},
	});
	await atTheEnd;
	t.deepEqual(told, [...demands.map(({ serial }) => serial), 'aa']);
});

test('a CA that is away is asked again, and nothing is lost meanwhile', async (t) => {
	const away = new BirthmarkError('ca-unavailable');
	const { asked, told, atTheEnd } = world(t, [{ number: 4, demands: [] }, away, away, { number: 6, demands: [{ serial: 'aa', authorizationId: '1' }] }]);
	await atTheEnd;
	t.deepEqual(asked, [0, 4, 4, 4, 6]);
	t.deepEqual(told, ['aa']);
});

test('a CA that was set back is followed', async (t) => {
	const { asked, atTheEnd } = world(t, [{ number: 4, demands: [] }, { number: 1, demands: [] }]);
	await atTheEnd;
	t.deepEqual(asked, [0, 4, 1]);
});

test('a node without identities waits for nothing', async (t) => {
	let looks = 0;
	const { promise, resolve } = Promise.withResolvers<void>();
	const { asked } = world(t, [], { isWanted: () => (++looks === 3 && resolve(), false) });
	await promise;
	t.deepEqual(asked, []);
});
