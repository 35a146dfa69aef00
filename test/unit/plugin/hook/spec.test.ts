import test from 'ava';
import { changeSpec, type SpecChange } from '../../../../plugin/hook/spec.ts';

const SOURCE = '/var/lib/docker/plugins/p/propagated-mount/volumes/c';
const POSTSTOP = { path: '/usr/local/lib/birthmark/birthmark-runtime', args: ['birthmark-runtime', '--ended', 'c', 's'] };
const ALL: SpecChange = { source: SOURCE, runsAgent: true, poststop: POSTSTOP };
const AGENT = '/run/birthmark/bin/birthmark-agent';
const MOUNT = { destination: '/run/birthmark', type: 'bind', source: SOURCE, options: ['rbind', 'rprivate'] };
const HOOK = { ...POSTSTOP, timeout: 5 };

interface Spec {
	readonly process: { readonly args: string[] };
	readonly mounts?: readonly object[];
	readonly hooks?: Record<string, readonly object[]>;
}

const change = (text: string, what: SpecChange = ALL): Spec => JSON.parse(changeSpec(text, what)) as Spec;

test('the identity is mounted last, the agent stands in front, the end is told', (t) => {
	const spec = change('{"ociVersion":"1.0.2","process":{"args":["nginx","-g","daemon off;"],"cwd":"/"},"mounts":[{"destination":"/proc","type":"proc"},{"destination":"/run","type":"tmpfs"}],"hooks":{"prestart":[{"path":"/p"}],"poststop":[{"path":"/q"}]}}');
	t.deepEqual(spec.process.args, [AGENT, 'exec', '--', 'nginx', '-g', 'daemon off;']);
	t.deepEqual(spec.mounts?.at(-1), MOUNT);
	t.is(spec.mounts?.length, 3);
	t.deepEqual(spec.hooks, { prestart: [{ path: '/p' }], poststop: [{ path: '/q' }, HOOK] });
});

for (const [what, before] of [
	['nothing', '{"process":{"args":["a"]}}'],
	['null', '{"process":{"args":["a"]},"mounts":null,"hooks":null}'],
	['empty lists', '{"mounts":[ ],"hooks":{"poststop":[]},"process":{"args":["a"]}}'],
	['null in hooks', '{"mounts":[],"hooks":{"poststop":null},"process":{"args":["a"]}}'],
	['no such hooks', '{"hooks":{},"process":{"args":["a"]}}'],
] as const) {
	test(`where there are ${what}, there is one of each afterwards`, (t) => {
		const spec = change(before);
		t.deepEqual(spec.mounts, [MOUNT]);
		t.deepEqual(spec.hooks?.['poststop'], [HOOK]);
		t.deepEqual(spec.process.args, [AGENT, 'exec', '--', 'a']);
	});
}

test('every other byte stays as it was', (t) => {
	const before = '{ "process" : {"args":["\\u003ca\\u003e"] ,"rlimits":[{"type":"RLIMIT_NOFILE","hard":18446744073709551615}]},\n"linux":{"resources":{"memory":{"limit":9223372036854775807}}, "x":{"a":1,"a":2}},"mounts":[],"annotations":{"]}\\"":"{[\\\\"} }';
	const after = changeSpec(before, ALL);
	for (const part of ['18446744073709551615', '9223372036854775807', '{"a":1,"a":2}', '"\\u003ca\\u003e"', '"annotations":{"]}\\"":"{[\\\\"} }']) t.true(after.includes(part), part);
	t.is(changeSpec(before, { runsAgent: false }), before);
	const added = [`"${AGENT}","exec","--",`, JSON.stringify(MOUNT), `"hooks":${JSON.stringify({ poststop: [HOOK] })},`];
	t.is(added.reduce((text, part) => text.replace(part, ''), after), before);
});

test('settings of the loader pass the agent by, under names of their own', (t) => {
	const env = ['PATH=/bin', 'LD_PRELOAD=/lib/"é".so', 'OLD_PRELOAD=x', 'LD_LIBRARY_PATH=/lib', 'LD_PRELOAD='];
	const after = (args: string[]) => (change(JSON.stringify({ process: { env, args } })).process as unknown as { env: string[] }).env;
	t.deepEqual(after(['nginx']), ['PATH=/bin', 'BIRTHMARK_LD_PRELOAD=/lib/"é".so', 'OLD_PRELOAD=x', 'BIRTHMARK_LD_LIBRARY_PATH=/lib', 'BIRTHMARK_LD_PRELOAD=']);
	t.deepEqual(after([AGENT, 'exec', '--', 'nginx']), env);
	t.deepEqual(change('{"process":{"env":null,"args":["a"]}}').process.args, [AGENT, 'exec', '--', 'a']);
});

test('as many of them as a request can hold keep nobody else waiting', (t) => {
	// Looked for one after the other from the first on, they took a time that grew with the square of their number.
	const env = Array.from({ length: 100_000 }, (_, index) => `LD_${index}=`);
	const after = (change(JSON.stringify({ process: { env, args: ['a'] } })).process as unknown as { env: string[] }).env;
	t.deepEqual(after, env.map((variable) => `BIRTHMARK_${variable}`));
});

test('an agent that is there already is not put there twice', (t) => {
	for (const agent of [AGENT, '/opt/birthmark/bin/birthmark-agent']) {
		t.deepEqual(change(JSON.stringify({ process: { args: [agent, 'exec', '--', 'x'] } })).process.args, [agent, 'exec', '--', 'x']);
	}
});

test('the init of the engine stays the first process', (t) => {
	t.deepEqual(change('{"process":{"args":["/sbin/docker-init","--","sh"]}}').process.args, ['/sbin/docker-init', '--', AGENT, 'exec', '--', 'sh']);
	t.deepEqual(change(JSON.stringify({ process: { args: ['/sbin/docker-init', '--', AGENT, 'once'] } })).process.args, ['/sbin/docker-init', '--', AGENT, 'once']);
});

test('without the agent the command stays', (t) => {
	t.deepEqual(change('{"process":{"args":["a"]}}', { ...ALL, runsAgent: false }).process.args, ['a']);
});

const mounts = (...destinations: unknown[]): string => JSON.stringify({ process: { args: ['a'] }, mounts: destinations.map((destination) => ({ destination })) });

for (const destination of ['/run/birthmark', '/run/birthmark/', '/run/birthmark/bin', '/run//birthmark/./x', '/run/x/../birthmark', 'run/birthmark']) {
	test(`a mount at ${destination} is refused`, (t) => {
		t.like(t.throws(() => changeSpec(mounts('/proc', destination), ALL)), { code: 'mount-illegal' });
	});
}

test('a mount beside the reserved place, or above it, is not', (t) => {
	t.notThrows(() => changeSpec(mounts('/run', '/run/birthmarks', '/'), ALL));
});

const MALFORMED: Record<string, string> = {
	'no JSON': '{"process":',
	'a list': '[]',
	'no process': '{"mounts":[]}',
	'no command': '{"process":{"args":[]}}',
	'a command that is none': '{"process":{"args":["a",1]}}',
	'a process that is none': '{"process":[]}',
	'a key twice': '{"process":{"args":["a"]},"process":{"args":["b"]}}',
	'a key twice, in another case': '{"process":{"args":["a"]},"Process":{"args":["b"]}}',
	'a command twice': '{"process":{"args":["a"],"Args":["b"]}}',
	'mounts in another case': '{"process":{"args":["a"]},"Mounts":[]}',
	'hooks that are none': '{"process":{"args":["a"]},"hooks":[]}',
	'hooks twice': '{"process":{"args":["a"]},"hooks":{"poststop":[],"Poststop":[]}}',
	'mounts that are none': '{"process":{"args":["a"]},"mounts":{}}',
};

for (const [what, text] of Object.entries(MALFORMED)) {
	test(`what cannot be changed for certain is refused: ${what}`, (t) => {
		t.like(t.throws(() => changeSpec(text, ALL)), { code: 'request-malformed' });
	});
}

test('a mount without a destination is refused', (t) => {
	t.like(t.throws(() => changeSpec(mounts(7), ALL)), { code: 'mount-illegal' });
});
