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

test('a labelled container is found by its id, the beginning of it, its name, with and without a slash, and by the name that a link gave it', async (t) => {
	const { lookup } = world();
	for (const reference of [VICTIM, 'c', 'cccc', 'victim', '/victim', 'parent/alias', '/parent/alias']) t.is((await lookup.labelled(reference))?.Id, VICTIM, reference);
});

test('others are not found, and nobody is found by nothing', async (t) => {
	const { lookup } = world();
	for (const reference of [PLAIN, 'eee', 'plain', '/plain', 'nobody', 'd'.repeat(64), '', '/', 'victi', 'victim.', 'v.ctim', 'parent/x', '.*', 'a'.repeat(63)]) t.is(await lookup.labelled(reference), undefined, reference);
});

test('a name comes before the beginning of an id, and an id before a name', async (t) => {
	const { engine, lookup } = world();
	engine.list.push(engineContainer({ Id: '1'.repeat(64), Names: ['/cc'], Labels: {} }), engineContainer({ Id: '2'.repeat(64), Names: [`/${VICTIM}`], Labels: {} }));
	t.is(await lookup.labelled('cc'), undefined);
	t.is((await lookup.labelled('ccc'))?.Id, VICTIM);
	t.is((await lookup.labelled(VICTIM))?.Id, VICTIM);
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
