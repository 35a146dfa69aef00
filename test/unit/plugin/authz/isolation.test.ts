import test from 'ava';
import { volumeOptionPowers } from '../../../../plugin/authz/isolation.ts';

test('each path in the options of a volume is looked at, and once', async (t) => {
	const seen: string[] = [];
	const hostPaths = { powersOf: async (path: string) => (seen.push(path), path === '/etc/docker' ? ['engine-config'] : []) };
	const lower = Array.from({ length: 100 }, (_, index) => `/lower${index}`);
	const others = Array.from({ length: 100 }, (_, index): [string, string] => [`other${index}`, `/etc/docker,/other${index}`]);
	t.deepEqual(await volumeOptionPowers(hostPaths, 'local', new Map([['type', 'overlay'], ['o', `lowerdir=${lower.join(':')}`], ...others])), ['engine-config']);
	t.deepEqual(seen.filter((path) => path.startsWith('/lower')), lower);
	t.deepEqual(seen.filter((path) => path === '/etc/docker,/other99' || path === '/other99').length, 2);
	t.is(new Set(seen).size, seen.length);
});
