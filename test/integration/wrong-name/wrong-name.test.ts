/** Nobody gets a name that no rule allows, and the engine says so in one sentence. */

import test from 'ava';
import { openWorld } from '../../support/world.ts';

const world = openWorld();
const MOUNT = ['--mount', 'type=volume,volume-driver=birthmark,dst=/run/birthmark'];
const labels = (...pairs: string[]): string[] => pairs.flatMap((pair) => ['--label', pair]);

/** docker create, which must be refused: no container may be left. */
const refused = (what: string, args: readonly string[], pattern: RegExp): void => {
	test(`docker create is refused: ${what}`, async (t) => {
		const name = world.name('refused');
		const ran = await world.cli(['create', '--name', name, ...args, 'test/busybox', 'true']);
		t.teardown(() => world.cli(['rm', '--force', '--volumes', name]));
		t.not(ran.code, 0);
		t.regex(ran.stderr, pattern);
		t.regex(ran.stderr, /birthmark: /);
		t.not((await world.cli(['container', 'inspect', name])).code, 0, 'no container is left');
	});
};

refused('a name outside the policy', [...MOUNT, ...labels('birthmark.cn=db01', 'birthmark.ou=db')], /no rule allows the name "db01".*birthmark node allow.*\[name-not-allowed\]/s);
refused('a role outside the policy', [...MOUNT, ...labels('birthmark.cn=api01', 'birthmark.ou=admin')], /\[name-not-allowed\]/);
refused('an empty name', [...MOUNT, ...labels('birthmark.cn=', 'birthmark.ou=web-api')], /\[(name|label)-illegal\]/);
refused('a wildcard', [...MOUNT, ...labels('birthmark.cn=api*', 'birthmark.ou=web-api')], /\[name-illegal\]/);
refused('a path', [...MOUNT, ...labels('birthmark.cn=api/01', 'birthmark.ou=web-api')], /\[name-illegal\]/);
refused('control characters', [...MOUNT, ...labels('birthmark.cn=api\u000101', 'birthmark.ou=web-api')], /\[name-illegal\]/);
refused('a name longer than 64 characters', [...MOUNT, ...labels(`birthmark.cn=api${'x'.repeat(62)}`, 'birthmark.ou=web-api')], /\[name-illegal\]/);
refused('a reserved name', [...MOUNT, ...labels('birthmark.cn=birthmark-ca', 'birthmark.ou=web-api')], /\[name-illegal\]/);
refused('a name whose role, which nobody said, is outside the policy', [...MOUNT, ...labels('birthmark.cn=api01')], /no rule allows the name "api01" with role "api".*\[name-not-allowed\]/);
refused('a typing error in a label', [...MOUNT, ...labels('birthmark.cm=api01', 'birthmark.ou=web-api')], /birthmark\.cn.*\[label-unknown\]/);
refused('a lifetime that is none', [...MOUNT, ...labels('birthmark.cn=api01', 'birthmark.ou=web-api', 'birthmark.ttl=soon')], /\[label-illegal\]/);
refused('a label without the volume', labels('birthmark.cn=api01', 'birthmark.ou=web-api'), /--mount type=volume,volume-driver=birthmark,dst=\/run\/birthmark.*\[mount-missing\]/);
refused('the volume without a label', MOUNT, /birthmark\.cn.*\[label-missing\]/);
refused('the volume at another place', ['--mount', 'type=volume,volume-driver=birthmark,dst=/elsewhere', ...labels('birthmark.cn=api01', 'birthmark.ou=web-api')], /\[mount-illegal\]/);
refused('privileges that reach the agent of others', [...MOUNT, ...labels('birthmark.cn=api01', 'birthmark.ou=web-api'), '--cap-add', 'SYS_ADMIN'], /\[container-too-powerful\]/);

test('a refusal leaves no identity and no authorization behind', async (t) => {
	const before = (await world.identities(true)).length;
	await world.cli(['create', ...MOUNT, ...labels('birthmark.cn=db02', 'birthmark.ou=db'), 'test/busybox', 'true']);
	t.is((await world.identities(true)).length, before);
});

test('a name is allowed as soon as an operator allows it', async (t) => {
	const name = world.name('extra');
	const create = () => world.cli(['create', '--name', name, ...MOUNT, ...labels(`birthmark.cn=${name}`, 'birthmark.ou=extra'), 'test/busybox', 'true']);
	t.teardown(() => world.cli(['rm', '--force', '--volumes', name]));
	t.regex((await create()).stderr, /\[name-not-allowed\]/);
	const allowed = await world.birthmark(['node', 'allow', 'test-host', `${name}/extra`]);
	t.is(allowed.code, 0, allowed.stderr);
	const created = await create();
	t.is(created.code, 0, created.stderr);
});
