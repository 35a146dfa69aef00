import test from 'ava';
import { createContainerLookup } from '../../../../plugin/authz/container-lookup.ts';
import { engineContainer, FakeEngine } from '../../../fakes/plugin-engine.ts';

const VICTIM = 'c'.repeat(64);
const PLAIN = 'e'.repeat(64);

function world() {
	const engine = new FakeEngine();
	engine.list.push(engineContainer({ Id: VICTIM, Names: ['/victim', '/parent/alias'] }), engineContainer({ Id: PLAIN, Names: ['/plain'], Labels: {} }));
	return { engine, lookup: createContainerLookup({ engine }) };
}

test('a labelled container is found by its id, the beginning of it and its name, with and without a slash', async (t) => {
	const { lookup } = world();
	for (const reference of [VICTIM, 'c', 'cccc', 'victim', '/victim']) t.is((await lookup.labelled(reference))?.Id, VICTIM, reference);
});

test('others are not found, and nobody is found by nothing', async (t) => {
	const { lookup } = world();
	for (const reference of [PLAIN, 'eee', 'plain', '/plain', 'nobody', 'd'.repeat(64), '', '/', 'victi', 'victim.', 'v.ctim', '.*', 'a'.repeat(63)]) t.is(await lookup.labelled(reference), undefined, reference);
});

test('a name comes before the beginning of an id, and an id before a name', async (t) => {
	const { engine, lookup } = world();
	engine.list.push(engineContainer({ Id: '1'.repeat(64), Names: ['/cc'], Labels: {} }), engineContainer({ Id: '2'.repeat(64), Names: [`/${VICTIM}`], Labels: {} }));
	t.is(await lookup.labelled('cc', true), undefined);
	t.is((await lookup.labelled('ccc'))?.Id, VICTIM);
	t.is((await lookup.labelled(VICTIM))?.Id, VICTIM);
});

test('a name that is the beginning of the id of a labelled container is refused where it is not asked about again', async (t) => {
	const { engine, lookup } = world();
	engine.list.push(engineContainer({ Id: '1'.repeat(64), Names: ['/cc'], Labels: {} }), engineContainer({ Id: '2'.repeat(64), Names: ['/ee'], Labels: {} }));
	await t.throwsAsync(lookup.labelled('cc'), { code: 'identity-isolated', message: /use the whole id/ });
	t.is(await lookup.labelled('ee'), undefined, 'the other one is nobody\'s secret');
});

test('names that links give are refused while there is a labelled container, which may have them next', async (t) => {
	const { engine, lookup } = world();
	for (const reference of ['parent/alias', '/parent/alias', 'parent/x']) await t.throwsAsync(lookup.labelled(reference), { code: 'identity-isolated' }, reference);
	engine.list.splice(0, 1);
	t.is(await lookup.labelled('parent/alias'), undefined);
});

test('a labelled container is found by the name that it is about to get, as long as it is there', async (t) => {
	const { engine, lookup } = world();
	await lookup.willBe('/plain', VICTIM);
	t.is((await lookup.labelled('plain'))?.Id, VICTIM, 'though another one still has it');
	engine.list.splice(0, 1);
	t.is(await lookup.labelled('plain'), undefined);
});

test('a container whose name looks like an id of nobody is found', async (t) => {
	const { engine, lookup } = world();
	engine.list.push(engineContainer({ Id: '1'.repeat(64), Names: [`/${'d'.repeat(64)}`] }));
	t.is((await lookup.labelled('d'.repeat(64)))?.Id, '1'.repeat(64));
});

test('the engine is asked once about the id of an unlabelled container, and one question is enough for a name', async (t) => {
	const { engine, lookup } = world();
	await lookup.labelled(PLAIN);
	t.is(engine.questions, 1);
	await lookup.labelled(PLAIN);
	t.is(engine.questions, 1);
	await lookup.labelled('plain');
	t.is(engine.questions, 2);
});

test('an exec is that of its container', async (t) => {
	const { engine, lookup } = world();
	engine.execs.set('1'.repeat(64), VICTIM).set('2'.repeat(64), PLAIN);
	t.is((await lookup.labelledOfExec('1'.repeat(64)))?.Id, VICTIM);
	t.is(await lookup.labelledOfExec('2'.repeat(64)), undefined);
	t.is(await lookup.labelledOfExec('3'.repeat(64)), undefined);
});
