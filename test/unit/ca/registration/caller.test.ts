/** How far a caller's reach goes. */

import test from 'ava';
import { nodeScope } from '../../../../ca/registration/caller.ts';

test('an operator reaches everything, a node its own, a workload nothing', (t) => {
	t.is(nodeScope({ role: 'operator', name: 'alice' }), undefined);
	t.is(nodeScope({ role: 'node', name: 'host1' }), 'host1');
	t.like(t.throws(() => nodeScope({ role: 'workload', name: 'web01' })), { code: 'forbidden' });
});
