/** Every decision leaves one event, in the same transaction. */

import test from 'ava';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { newKey, startCa } from '../../../support/ca.ts';

/** What waits in the database of a CA to be sealed, and what has been. */
function eventsOf(state: string): Array<Record<string, unknown>> {
	const database = new DatabaseSync(join(state, 'ca', 'ca.db'), { readOnly: true });
	const rows = database.prepare('SELECT body FROM audit_log UNION ALL SELECT body FROM audit_pending').all();
	database.close();
	return rows.map(({ body }) => JSON.parse(body as string) as Record<string, unknown>);
}

test('each decision in the life of a container leaves who took it and what came of it', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const web = await ca.enrol(node, 'web01', 'web');
	await ca.request('POST', '/v1/renew', { credentials: web, body: newKey().csr() });
	await ca.request('DELETE', `/v1/authorizations/${web.authorizationId}`, { credentials: node });
	await ca.admin('DELETE', '/v1/nodes/host1');
	const events = eventsOf(ca.state).filter(({ outcome }) => outcome === 'done');
	const seen = events.map(({ action, by }) => `${action} by ${(by as { role: string }).role}`);
	t.deepEqual(seen.filter((line) => !line.endsWith('system')), [
		'join-token.mint by operator',
		'node.join by anonymous',
		'certificate.issue by anonymous',
		'authorization.create by node',
		'token.mint by node',
		'certificate.issue by anonymous',
		'certificate.renew by workload',
		'authorization.end by node',
		'node.cut-off by operator',
	]);
	t.like(events.find(({ action }) => action === 'authorization.end'), {
		subject: web.authorizationId, outcome: 'done', by: { role: 'node', name: 'host1' }, details: { node: 'host1', revoked: 2 },
	});
	t.like(events.find(({ action }) => action === 'join-token.mint'), { by: { role: 'operator', name: 'local', source: 'admin-socket' } });
});

test('no token and no key is in any event', async (t) => {
	const ca = await startCa(t);
	const web = await ca.enrol(await ca.join('host1'), 'web01', 'web');
	const text = JSON.stringify(eventsOf(ca.state));
	t.false(text.includes('BMK'));
	t.false(text.includes(web.token.split('-').at(-1)!));
	t.false(text.includes('PRIVATE'));
});
