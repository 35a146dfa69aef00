import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { abuseReport, type AbuseOutcome } from '../../../scripts/abuse-report.ts';
import { temporaryFolder } from '../../support/ca.ts';

test('outcomes become a table in the order of their numbers, then of the engines', (t) => {
	const file = join(temporaryFolder(t), 'abuses.jsonl');
	const outcomes: AbuseOutcome[] = [
		{ number: 23, title: 'a volume', engine: '20.10.24', verdict: 'refused: identity-isolated' },
		{ number: 3, title: 'h2c', engine: '28.5.2', verdict: 'harmless' },
		{ number: 3, title: 'h2c', engine: '9.0', verdict: 'FAILED' },
	];
	writeFileSync(file, outcomes.map((outcome) => `${JSON.stringify(outcome)}\n`).join(''));
	t.deepEqual(abuseReport(file).split('\n').slice(3), [
		' #  abuse     engine    verdict',
		' 3  h2c       9.0       FAILED',
		' 3  h2c       28.5.2    harmless',
		'23  a volume  20.10.24  refused: identity-isolated',
		'',
	]);
});

test('of a test that was repeated the last outcome counts', (t) => {
	const file = join(temporaryFolder(t), 'abuses.jsonl');
	writeFileSync(file, ['FAILED', 'harmless'].map((verdict) => JSON.stringify({ number: 3, title: 'h2c', engine: '28.5.2', verdict } satisfies AbuseOutcome) + '\n').join(''));
	t.deepEqual(abuseReport(file).split('\n').slice(4), ['3  h2c    28.5.2  harmless', '']);
});

test('there is no table when no abuse was tried', (t) => {
	t.is(abuseReport(join(temporaryFolder(t), 'none')), '');
});
