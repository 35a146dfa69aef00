import test from 'ava';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { startBirthmark } from '../../../hook/environment.ts';
import { startCreatingEngine } from '../../fakes/creating-engine.ts';

const refused = (code: string, message: RegExp) => ({ instanceOf: BirthmarkError, code, message });

test('an engine without the plugin is told where to get it from', async (t) => {
	const { host } = await startCreatingEngine(t);
	await t.throwsAsync(startBirthmark({ host }), refused('not-found', /no plugin birthmark: .*make load/));
});

test('a plugin that somebody uses is left alone', async (t) => {
	const engine = await startCreatingEngine(t);
	engine.plugin = { Enabled: true };
	await t.throwsAsync(startBirthmark({ host: engine.host }), refused('enforcement-missing', /birthmark doctor/));
	t.deepEqual(engine.created, []);
});

test('a start that fails half-way says why', async (t) => {
	const engine = await startCreatingEngine(t);
	engine.plugin = { Enabled: false };
	await t.throwsAsync(startBirthmark({ host: engine.host }), refused('engine-unavailable', /creates nothing/));
});

test('a plugin that cannot be enabled has the settings again that it had', async (t) => {
	const engine = await startCreatingEngine(t);
	const before = ['CA_URL=https://ca.example:33004', 'JOIN_TOKEN=', 'ENGINE_SOCKET=docker.sock', 'LOG_LEVEL=warn', 'POLICY_FILE=/etc/birthmark/policy.cedar'];
	engine.plugin = { Enabled: false, Settings: { Env: ['NODE_NAME=', ...before], Mounts: [{ Name: 'run', Source: '/srv/run' }] } };
	const ca = { url: 'https://127.0.0.1:1', joinToken: 'secret' };
	await t.throwsAsync(startBirthmark({ host: engine.host, ca, policyFile: '/tmp/all.cedar' }), refused('engine-unavailable', /enables nothing/));
	t.is(engine.settings.length, 2);
	t.true(engine.settings[0]!.includes('JOIN_TOKEN=secret'));
	t.deepEqual(engine.settings[1]!.toSorted(), [...before, 'run.source=/srv/run'].toSorted());
});

test('only an engine of this host can be set up, by its socket', async (t) => {
	await t.throwsAsync(startBirthmark({ host: 'tcp://127.0.0.1:2375' }), refused('usage', /unix socket/));
});
