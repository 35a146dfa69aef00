import test from 'ava';
import { namesOfContainer, namesOfTask } from '#common/protocol/auto-names.ts';

const compose = (project: string, service: string, number: string) => new Map([['com.docker.compose.project', project], ['com.docker.compose.service', service], ['com.docker.compose.container-number', number]]);

for (const [what, name, labels, commonName, role] of [
	['a container of nobody', 'db', new Map(), 'db', undefined],
	['underscores', 'my_db_1', new Map(), 'my-db-1', undefined],
	['a container of Compose', 'shop-api-3', compose('shop', 'api', '3'), 'shop-api-3', 'api'],
	['one of Compose 1', 'shop_api_3', compose('shop', 'api', '3'), 'shop-api-3', 'api'],
	['a service with a hyphen', 'shop-web-api-3', compose('shop', 'web-api', '3'), 'shop-web-api-3', 'web-api'],
	['labels that say another service than the name', 'shop-api-3', compose('shop', 'admin', '3'), 'shop-api-3', undefined],
	['labels that say another number', 'shop-api-3', compose('shop', 'api', '4'), 'shop-api-3', undefined],
	['separators of both kinds', 'shop-api_3', compose('shop', 'api', '3'), 'shop-api-3', undefined],
	['a name that Compose was told', 'database', compose('shop', 'db', '1'), 'database', undefined],
	['labels of which one is missing', 'shop--3', new Map([['com.docker.compose.project', 'shop'], ['com.docker.compose.container-number', '3']]), 'shop--3', undefined],
] as const) {
	test(`instance and role of a container: ${what}`, (t) => {
		t.deepEqual(namesOfContainer(name, labels), { commonName, ...(role !== undefined && { organizationalUnit: role }) });
	});
}

test('a container without a name of its own has none', (t) => {
	t.is(namesOfContainer('', compose('', '', '')), undefined);
});

test('instance and role of a task', (t) => {
	t.deepEqual(namesOfTask('shop_api', 3), { commonName: 'shop-api-3', organizationalUnit: 'shop_api' });
	t.deepEqual(namesOfTask('monitor', 'x4k2'), { commonName: 'monitor-x4k2', organizationalUnit: 'monitor' });
});
