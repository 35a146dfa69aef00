import test, { type ExecutionContext } from 'ava';
import { createGuardDriver } from '../../../../plugin/guard/guard-driver.ts';
import { openRecords } from '../../../../plugin/records.ts';

const SENTINEL = 'birthmark-guard-sentinel';
const STATUS = { version: '1', guardOf: 'a'.repeat(64), inChain: true, records: 'ok' };

function driver(t: ExecutionContext) {
	const records = openRecords(':memory:');
	t.teardown(() => records.close());
	const methods = createGuardDriver({ records, sentinel: () => SENTINEL, status: () => STATUS });
	return (method: string, request: object = {}) => methods[`VolumeDriver.${method}`]!(request);
}

test('its sentinel is made, shows the status, and goes', async (t) => {
	const call = driver(t);
	t.deepEqual(await call('List'), { Volumes: [] });
	await t.throwsAsync(call('Get', { Name: SENTINEL }), { code: 'volume-unknown' } as never);
	await call('Create', { Name: SENTINEL });
	t.deepEqual(await call('Get', { Name: SENTINEL }), { Volume: { Name: SENTINEL, Mountpoint: '', Status: STATUS } });
	t.deepEqual(await call('List'), { Volumes: [{ Name: SENTINEL, Mountpoint: '' }] });
	await call('Remove', { Name: SENTINEL });
	t.deepEqual(await call('List'), { Volumes: [] });
});

test('it has no volumes for containers', async (t) => {
	const call = driver(t);
	await t.throwsAsync(call('Create', { Name: 'data' }), { code: 'upgrade-running' } as never);
	await t.throwsAsync(call('Mount', { Name: SENTINEL, ID: '1' }), { code: 'upgrade-running' } as never);
	await t.throwsAsync(call('Get', { Name: 'data' }), { code: 'volume-unknown' } as never);
});
