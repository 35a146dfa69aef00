import test from 'ava';
import { exitCodeFor, exitCodeForSignal } from '../../../agent/exit-codes.ts';

for (const [code, expected] of [
	['usage', 64], ['identity-missing', 66], ['ca-unavailable', 69], ['internal', 70], ['clock-skew', 71],
	['bundle-digest-mismatch', 76], ['certificate-invalid', 76], ['token-expired', 77], ['token-used', 77], ['authorization-ended', 77],
	['directory-not-tmpfs', 78], ['directory-full', 78], ['token-missing', 78], ['config-invalid', 78],
] as const) {
	test(`${code} ends with ${expected}`, (t) => {
		t.is(exitCodeFor(code), expected);
	});
}

test('a signal becomes 128 and its number', (t) => {
	t.is(exitCodeForSignal('SIGTERM'), 143);
	t.is(exitCodeForSignal('SIGKILL'), 137);
});
