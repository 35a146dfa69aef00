/** `birthmark policy`: off line, with answers that a pipeline can use. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { newCommand } from '../../../support/command.ts';

const POLICY = `
@id("web") permit (principal == Caller::"alice", action == Action::"run", resource) when { resource.cn like "web*" && resource.ou == "web" };
@id("no-root") @reason("it runs as root") @remedy("run it with --user UID") forbid (principal, action == Action::"run", resource) when { resource.user == "root" };
`;

function command(t: ExecutionContext, text = POLICY) {
	const birthmark = newCommand(t);
	const file = join(birthmark.home, 'policy.cedar');
	writeFileSync(file, text);
	return { birthmark, file, home: birthmark.home };
}

interface Answer {
	readonly allowed: boolean;
	readonly rules: readonly { id: string; line?: number; builtIn: boolean }[];
	readonly sentence: string;
}

test('what is permitted ends with 0 and names the rule and its line', async (t) => {
	const { birthmark, file } = command(t);
	const args = ['policy', 'test', '--file', file, '--caller', 'alice', '--cn', 'web01', '--ou', 'web', '--image', 'x:1', '--user', '1000'];
	const { code, stdout } = await birthmark(args);
	t.is(code, 0, stdout);
	t.regex(stdout, /^permitted: the rule "web" \(line 2\) permits caller "alice" to run "web01" \(web\) from image "x:1"$/m);
	t.deepEqual((await birthmark([...args, '--json'])).json<Answer>().rules, [{ id: 'web', builtIn: false, line: 2 }]);
});

test('what is refused ends with 5 and names the rule and the remedy', async (t) => {
	const { birthmark, file } = command(t);
	const { code, stdout } = await birthmark(['policy', 'test', '--file', file, '--caller', 'alice', '--cn', 'web01', '--ou', 'web']);
	t.is(code, 5);
	t.regex(stdout, /^refused: the rule "no-root" forbids .*: it runs as root; run it with --user UID$/m);
	const other = await birthmark(['policy', 'test', '--file', file, '--action', 'exec', '--cn', 'web01', '--json']);
	t.is(other.code, 5);
	t.deepEqual(other.json<Answer>().rules, []);
	t.regex(other.json<Answer>().sentence, /no rule permits caller "local" to execute commands in "web01".*@id\("exec-web01"\)/);
});

test('a faulty file ends with 2 here, and check ends with 3 and shows all its faults', async (t) => {
	const { birthmark, file } = command(t, 'permit (principal, action, resource);\n@id("x") permit (principal, action == Action::"run", resource) when { resource.cnn == "a" };');
	const tried = await birthmark(['policy', 'test', '--file', file, '--cn', 'a', '--ou', 'b']);
	t.is(tried.code, 2);
	t.regex(tried.stderr, /line 1, column 1.*\[policy-invalid\]/);
	const checked = await birthmark(['policy', 'check', file]);
	t.is(checked.code, 3);
	t.regex(checked.stdout, /policy\.cedar:1:1: fault: the rule has no id/);
	t.regex(checked.stdout, /policy\.cedar:2:\d+: fault: attribute `cnn`.*did you mean `cn`/);
	t.is((await birthmark(['policy', 'check', '--json', file])).json<{ faults: unknown[] }>().faults.length, 2);
});

test('what the plugin would not take is no good file here either: one that is too large, or no UTF-8', async (t) => {
	const { birthmark, file } = command(t, `${POLICY}// ${'x'.repeat(256 * 1024)}\n`);
	const large = await birthmark(['policy', 'check', file]);
	t.is(large.code, 3);
	t.regex(large.stdout, /policy\.cedar:1:1: fault: .*256 KiB/);
	writeFileSync(file, Buffer.concat([Buffer.from(POLICY), Buffer.from('// caf\u00e9\n', 'latin1')]));
	const latin = await birthmark(['policy', 'check', file]);
	t.is(latin.code, 2);
	t.regex(latin.stderr, /policy\.cedar is not valid UTF-8.*\[policy-invalid\]/);
});

test('check is content with a good file, and finds the rule that changes nothing', async (t) => {
	const { birthmark, file } = command(t);
	t.deepEqual(await birthmark(['policy', 'check', file]).then(({ code, stdout }) => [code, stdout]), [0, 'ok, 2 rules\n']);
	writeFileSync(file, `${POLICY}@id("web-1") permit (principal == Caller::"alice", action == Action::"run", resource) when { resource.cn == "web1" && resource.ou == "web" };\n`);
	const { code, stdout } = await birthmark(['policy', 'check', file]);
	t.is(code, 3);
	t.regex(stdout, /policy\.cedar:4: warning: the rule "web-1" changes nothing: "web" \(line 2\) permits all that it does/);
});

test('the body of a create asks as well, and options count more', async (t) => {
	const { birthmark, file, home } = command(t);
	const body = join(home, 'create.json');
	writeFileSync(body, JSON.stringify({ Image: 'x:1', User: '1000', Labels: { 'birthmark.cn': 'web01', 'birthmark.ou': 'web' }, HostConfig: { Binds: ['/etc:/x'], Memory: 1 } }));
	const ask = (...more: string[]) => birthmark(['policy', 'test', '--file', file, '--request', body, '--caller', 'alice', ...more]);
	t.is((await ask()).code, 0);
	t.is((await ask('--cn', 'api01')).code, 5);
	t.is((await ask('--user', '0')).code, 5);
});

test('whether a container may have power over the host is asked with the powers, and not without any', async (t) => {
	const { birthmark, file } = command(t, '@id("sensors") permit (principal, action == Action::"reach-host", resource) when { ["pid-host"].containsAll(resource.powers) };');
	const ask = (...more: string[]) => birthmark(['policy', 'test', '--file', file, '--action', 'reach-host', '--image', 'sensors:1', ...more]);
	t.is((await ask('--power', 'pid-host')).code, 0);
	t.is((await ask('--power', 'pid-host', 'host-root')).code, 5);
	const { code, stderr } = await ask();
	t.is(code, 2, 'no powers are permitted by every rule');
	t.regex(stderr, /add --power.*\[usage\]/);
});

test('with birthmark.cn=auto the name of the container is asked about, or that of a task', async (t) => {
	const { birthmark, file, home } = command(t, '@id("api") permit (principal, action == Action::"run", resource) when { resource.cn like "shop-api-*" && resource.ou == "api" };');
	const body = join(home, 'create.json');
	const ask = (...more: string[]) => birthmark(['policy', 'test', '--file', file, ...more]);
	writeFileSync(body, JSON.stringify({ Image: 'x:1', Labels: { 'birthmark.cn': 'auto', 'com.docker.compose.project': 'shop', 'com.docker.compose.service': 'api', 'com.docker.compose.container-number': '3' } }));
	t.is((await ask('--request', body, '--name', 'shop-api-3')).code, 0);
	t.is((await ask('--request', body, '--name', 'shop-api-4')).code, 5, 'the role is that of the service only where the name says so as well');
	t.is((await ask('--cn', 'auto', '--service', 'shop-api')).code, 5);
	t.is((await ask('--cn', 'auto', '--service', 'shop-api', '--ou', 'api')).code, 0);
	t.regex((await ask('--cn', 'auto')).stderr, /add --name NAME.*\[usage\]/);
});

test('a table of cases ends with 0 when all are as expected, and names those that are not', async (t) => {
	const { birthmark, file, home } = command(t);
	const table = join(home, 'cases.json');
	const good = [
		{ title: 'alice runs web', caller: 'alice', cn: 'web01', ou: 'web', user: '1000', expect: 'permitted', rule: 'web' },
		{ title: 'nobody runs root', caller: 'alice', cn: 'web01', ou: 'web', expect: 'refused', rule: 'no-root' },
	];
	const run = (cases: object[]) => {
		writeFileSync(table, JSON.stringify(cases));
		return birthmark(['policy', 'test', '--file', file, '--cases', table]);
	};
	t.deepEqual(await run(good).then(({ code, stdout }) => [code, stdout]), [0, '2 as expected, 0 not\n']);
	const { code, stdout } = await run([...good, { title: 'bob too', caller: 'bob', cn: 'web01', ou: 'web', user: '1000', expect: 'permitted' }]);
	t.is(code, 1);
	t.regex(stdout, /^FAIL {2}bob too: expected permitted, got refused, no rule permits it$/m);
	t.is((await run([{ expect: 'perhaps' }])).code, 2);
});

test('init writes a file that is in order, and never over another one', async (t) => {
	const { birthmark, home } = command(t);
	const file = join(home, 'etc/policy.cedar');
	mkdirSync(join(home, 'etc'));
	t.is((await birthmark(['policy', 'init', '--file', file, '--allow', 'api*/web-api', 'web?/web', '*/*'])).code, 0);
	const text = readFileSync(file, 'utf8');
	t.regex(text, /resource\.cn like "api\*" && resource\.ou == "web-api"/);
	t.is((await birthmark(['policy', 'test', '--file', file, '--cn', 'api01', '--ou', 'web-api'])).code, 0);
	const again = await birthmark(['policy', 'init', '--file', file]);
	t.is(again.code, 2);
	t.regex(again.stderr, /already/);
	t.is(readFileSync(file, 'utf8'), text);
	t.is((await birthmark(['policy', 'init', '--file', join(home, 'none.cedar')])).code, 0);
	t.is((await birthmark(['policy', 'check', join(home, 'none.cedar')])).code, 0);
});

test('the examples that init writes are in order as well', async (t) => {
	const { birthmark, home } = command(t);
	const file = join(home, 'init.cedar');
	await birthmark(['policy', 'init', '--file', file]);
	const examples = readFileSync(file, 'utf8').split('// Examples')[1]!.split('\n').slice(1).map((line) => line.replace(/^\/\/ /, '')).join('\n');
	writeFileSync(file, examples);
	const { code, stdout } = await birthmark(['policy', 'check', file]);
	t.is(code, 0, stdout);
});

test('show prints the rules in force, and a file that is not there is not found', async (t) => {
	const { birthmark, file } = command(t);
	const { code, stdout } = await birthmark(['policy', 'show', '--file', file]);
	t.is(code, 0);
	t.regex(stdout, /@id\("builtin-build"\)[^]*SHA-256 [0-9a-f]{64}[^]*@id\("web"\)/);
	t.notRegex(stdout, /builtin-run/);
	t.is((await birthmark(['policy', 'show', '--file', `${file}.not`])).code, 6);
	t.is((await birthmark(['policy', 'check', `${file}.not`])).code, 6);
	t.is((await birthmark(['policy', 'test', '--file', file, '--action', 'fly'])).code, 2);
});
