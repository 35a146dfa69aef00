import test from 'ava';
import { autoNamesOf, autoNamesOfNew, ownName } from '../../../../plugin/authz/auto-name.ts';
import { parseEngineCall } from '../../../../plugin/authz/engine-call.ts';
import { engineContainer, FakeEngine } from '../../../fakes/plugin-engine.ts';

const AUTO = new Map([['birthmark.cn', 'auto']]);
const OLD = engineContainer({ Id: '0123456789ab' + 'c'.repeat(52), Names: ['/other/link', '/shop-api-1'] });

function deps(...containers: ReturnType<typeof engineContainer>[]) {
	const engine = new FakeEngine();
	engine.list.push(...containers);
	return { engine };
}
const create = (name: string) => parseEngineCall(JSON.stringify({ RequestMethod: 'POST', RequestUri: `/v1.41/containers/create${name}` }));

test('a container is called what the create call says', async (t) => {
	t.deepEqual(await autoNamesOf(deps(), 'shop-api-1', AUTO), { commonName: 'shop-api-1' });
	t.is(await autoNamesOf(deps(), '', AUTO), undefined);
});

test('without birthmark.cn=auto nothing is looked up', async (t) => {
	const it = deps(OLD);
	t.is(await autoNamesOf(it, '0123456789ab_shop-api-1', new Map([['birthmark.cn', 'api01']])), undefined);
	t.is(it.engine.questions, 0);
});

for (const [what, name, containers, commonName] of [
	['is that of the container which it replaces', '0123456789ab_shop-api-1', [OLD], 'shop-api-1'],
	['is its own when nobody has the other one', '0123456789ab_shop-api-1', [], '0123456789ab-shop-api-1'],
	['is its own when somebody else has it', '0123456789ab_shop-api-2', [OLD], '0123456789ab-shop-api-2'],
	['is its own when it only looks like that', '0123456789a_shop-api-1', [OLD], '0123456789a-shop-api-1'],
] as const) {
	test(`the name of a container that Compose makes anew ${what}`, async (t) => {
		t.deepEqual(await autoNamesOf(deps(...containers), name, AUTO), { commonName });
	});
}

test('once it is there its name is the one that was asked for, or there is none', async (t) => {
	t.deepEqual(await autoNamesOfNew(deps(), create('?name=/shop-api-1'), 'shop-api-1', AUTO), { commonName: 'shop-api-1' });
	t.is(await autoNamesOfNew(deps(), create(''), 'bold_noether', AUTO), undefined, 'the engine has invented it');
	await t.throwsAsync(autoNamesOfNew(deps(), create('?name=shop-api-2'), 'shop-api-1', AUTO), { code: 'identity-isolated', message: /called "shop-api-1" and not "shop-api-2"/ } as never);
	t.is(await autoNamesOfNew(deps(), create('?name=shop-api-2'), 'shop-api-1', new Map()), undefined, 'nothing depends on it');
});

test('names that come from links are not the container\'s own', (t) => {
	t.is(ownName(OLD), 'shop-api-1');
	t.is(ownName(engineContainer({ Id: 'd'.repeat(64), Names: null })), '');
});
