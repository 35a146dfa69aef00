/** The lists that `birthmark revoke --file` reads. */

import test from 'ava';
import { parseRevocationFile } from '../../../cli/revocation-file.ts';

const SERIAL = '4ad4883a03099bcbcbb6cc0f42484877';

test('a line is a serial number alone, or a kind and a value; empty lines and comments are skipped', (t) => {
	const text = `# stolen on Monday\n${SERIAL}\r\n\n  serial ${SERIAL.toUpperCase()}  # the same\n${SERIAL}01234567\ncn api01\ncontainer\tweb01\nnode host1`;
	t.deepEqual(parseRevocationFile(text), [
		{ by: 'serial', value: SERIAL },
		{ by: 'serial', value: SERIAL.toUpperCase() },
		{ by: 'serial', value: `${SERIAL}01234567` },
		{ by: 'cn', value: 'api01' },
		{ by: 'container', value: 'web01' },
		{ by: 'node', value: 'host1' },
	]);
});

test('every line at fault is named, and then nothing is revoked', (t) => {
	const error = t.throws(() => parseRevocationFile(`${SERIAL}\napi01\ncn\ncn a b\nou web\n`));
	t.like(error, { code: 'usage' });
	t.regex(error.message, /line 2 \("api01"\), line 3 \("cn"\), line 4 \("cn a b"\), line 5 \("ou web"\)/);
	t.notRegex(error.message, /line 1/);
});

test('a list without an entry is a mistake, not an order to do nothing', (t) => {
	t.like(t.throws(() => parseRevocationFile('# all gone\n')), { code: 'usage' });
});
