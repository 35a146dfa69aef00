import test from 'ava';
import { checkChain } from '#common/runtime/authorization-chain.ts';

const PLUGINS = [{ name: 'birthmark:latest', enabled: true }, { name: 'old:latest', enabled: false }];

for (const [what, chain, unmanaged] of [
	['no plugin', [], []],
	['an enabled plugin, with its tag or without', ['birthmark', 'birthmark:latest'], []],
	['one that the engine does not manage', ['legacy'], ['/run/docker/plugins/legacy.sock']],
] as const) {
	test(`an engine reloads a chain with ${what}`, (t) => t.notThrows(() => checkChain(chain, PLUGINS, (path) => (unmanaged as readonly string[]).includes(path))));
}

for (const [what, chain, says] of [
	['a disabled plugin', ['birthmark', 'old'], /"old", which is disabled; enable it first/],
	['one that is not there', ['nobody'], /"nobody", which is not installed/],
	['a disabled plugin beside a file of that name', ['old'], /disabled/],
] as const) {
	test(`it is not sent a signal with ${what} in its chain`, (t) => {
		t.throws(() => checkChain(chain, PLUGINS, (path) => path === '/run/docker/plugins/old.sock'), { code: 'setup-failed', message: says } as never);
	});
}
