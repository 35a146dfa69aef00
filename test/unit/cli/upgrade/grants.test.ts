import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { beyond, registryAuth } from '../../../../cli/upgrade/grants.ts';
import { temporaryFolder } from '../../../support/ca.ts';

const INSTALLED = { Config: { Network: { Type: 'host' }, PidHost: true, Mounts: [{ Name: 'run', Source: '/srv/run' }], Linux: { Capabilities: ['CAP_SYS_ADMIN'] } } };
const privilege = (Name: string, ...Value: string[]) => ({ Name, Description: '', Value });

test('what the installed version has is no more', (t) => {
	const same = [privilege('network', 'host'), privilege('host pid namespace', 'true'), privilege('mount', '/run'), privilege('mount', '/srv/run'), privilege('capabilities', 'CAP_SYS_ADMIN')];
	t.deepEqual(beyond(INSTALLED, same), []);
});

test('each thing that it does not have is named', (t) => {
	const more = [privilege('host ipc namespace', 'true'), privilege('mount', '/'), privilege('capabilities', 'CAP_SYS_ADMIN', 'CAP_SYS_MODULE'), privilege('device', '/dev/kvm')];
	t.deepEqual(beyond(INSTALLED, more), ['host ipc namespace: true', 'mount: /', 'capabilities: CAP_SYS_MODULE', 'device: /dev/kvm']);
});

test('credentials are those of the registry in the reference', (t) => {
	const directory = temporaryFolder(t);
	const auth = (text: string) => ({ auth: Buffer.from(text).toString('base64') });
	writeFileSync(join(directory, 'config.json'), JSON.stringify({ auths: { 'registry.example': auth('me:se:cret'), 'https://index.docker.io/v1/': auth('hub:pass') } }));
	const decoded = (reference: string) => JSON.parse(Buffer.from(registryAuth(reference, directory)!, 'base64url').toString()) as object;
	t.deepEqual(decoded('registry.example/birthmark:2'), { username: 'me', password: 'se:cret', serveraddress: 'registry.example' });
	t.like(decoded('birthmark/plugin:2'), { username: 'hub' });
	t.is(registryAuth('127.0.0.1:5000/birthmark:2', directory), undefined);
	t.is(registryAuth('registry.example/birthmark:2', join(directory, 'none')), undefined);
});
