import test from 'ava';
import { formatTraceparent, parseTraceparent } from '../../../../ca/tracing/trace-context.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

test('the examples of the specification are read, and written as they were', (t) => {
	for (const [flags, isSampled] of [['01', true], ['00', false]] as const) {
		const header = `00-${TRACE}-${SPAN}-${flags}`;
		t.deepEqual(parseTraceparent(header), { traceId: TRACE, spanId: SPAN, isSampled });
		t.is(formatTraceparent(parseTraceparent(header)!), header);
	}
});

test('a later version is read as far as this one goes', (t) => {
	t.like(parseTraceparent(`01-${TRACE}-${SPAN}-03-what-the-future-brings`), { traceId: TRACE, isSampled: true });
});

const REFUSED = [
	undefined, '', 'x', `ff-${TRACE}-${SPAN}-01`, `00-${'0'.repeat(32)}-${SPAN}-01`, `00-${TRACE}-${'0'.repeat(16)}-01`, `00-${TRACE.toUpperCase()}-${SPAN}-01`,
	`00-${TRACE}-${SPAN}-01-more`, `00-${TRACE}-${SPAN}`, `00-${TRACE}-${SPAN}-1`, ` 00-${TRACE}-${SPAN}-01`, `01-${TRACE}-${SPAN}-01-${'x'.repeat(600)}`, ['00'],
];
for (const header of REFUSED) test(`${JSON.stringify(header)?.slice(0, 70)} begins a trace of its own`, (t) => t.is(parseTraceparent(header), undefined));
