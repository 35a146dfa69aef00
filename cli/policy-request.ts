/** What `birthmark policy test` asks a policy: from options, from a case of a table, from the body of a create. */

import { z } from 'zod';
import { parseImageName } from '#common/policy/image-name.ts';
import { AUTO_NAME, namesOfContainer, namesOfTask, type AutoNames } from '#common/protocol/auto-names.ts';
import { ACTIONS, isPolicyAction, LOCAL_CALLER, NO_FACTS, type ContainerFacts, type PolicyAction, type PolicyRequest } from '#common/policy/request.ts';
import { capabilityFact, pathFact, userFact } from '#common/policy/spelling.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { checkDnsName, checkName, quote, roleOf } from '#common/protocol/names.ts';
import { parseConfig } from '#common/runtime/config.ts';

const text = z.string().optional();
const texts = z.array(z.string()).optional();

/** The names are those of the options. */
export const questionShape = {
	caller: text, action: text, cn: text, ou: text, o: text, dns: texts, name: text, service: text,
	image: text, imageId: text, digest: texts, user: text, network: texts, bind: texts, volume: texts, cap: texts, power: texts,
	plugin: text, own: z.boolean().optional(),
};
/** What Compose writes on its containers: in the body of a create, but no option. */
const COMPOSE_LABELS = 'com.docker.compose.';
const questionSchema = z.strictObject(questionShape);
export type Question = z.output<typeof questionSchema> & { readonly compose?: Readonly<Record<string, string>> };

/** Of a create's body what the plugin looks at; the rest is left alone. */
const createSchema = z.object({
	Image: text, User: text, Labels: z.record(z.string(), z.string()).nullish(),
	HostConfig: z.object({ NetworkMode: text, Binds: texts.nullable(), CapAdd: texts.nullable(), Mounts: z.array(z.object({ Source: text })).nullish() }).nullish(),
	NetworkingConfig: z.object({ EndpointsConfig: z.record(z.string(), z.unknown()).nullish() }).nullish(),
});

/** @throws BirthmarkError `usage` for an action that does not exist, `name-illegal` for a name that nobody gets */
export function toRequest({ caller = LOCAL_CALLER, action = 'run', ...question }: Question): PolicyRequest {
	if (!isPolicyAction(action)) throw new BirthmarkError('usage', `there is no action ${quote(action)}; the actions are ${Object.keys(ACTIONS).join(', ')}`);
	switch (ACTIONS[action].resource) {
		case 'Engine':
			return { caller, action };
		case 'Plugin':
			return { caller, action, plugin: { reference: question.plugin ?? 'birthmark', name: '', id: '', own: question.own ?? false } };
		case 'Container':
			// The plugin asks only for containers that have some.
			if (action === 'reach-host' && !question.power?.length) throw new BirthmarkError('usage', 'by what could it reach the host? add --power NAME, e.g. privileged, pid-host, engine-socket');
			return { caller, action, container: toFacts(question, action) };
	}
}

/**
 * @param body JSON as `POST /containers/create` takes it
 * @returns what it asks for, without caller and name
 * @throws BirthmarkError `config-invalid`
 */
export function questionOfCreate(body: unknown, path: string): Question {
	const { Image, User, Labels, HostConfig, NetworkingConfig } = parseConfig(createSchema, body, path);
	const labels = Labels ?? {};
	const compose = Object.fromEntries(Object.entries(labels).filter(([name]) => name.startsWith(COMPOSE_LABELS)));
	const binds = (HostConfig?.Binds ?? []).map((bind) => bind.split(':')[0]!);
	const sources = [...binds, ...(HostConfig?.Mounts ?? []).map(({ Source }) => Source ?? '')].filter((source) => source !== '');
	const networks = [HostConfig?.NetworkMode ?? '', ...Object.keys(NetworkingConfig?.EndpointsConfig ?? {})].filter((name) => name !== '');
	return {
		compose,
		cn: labels['birthmark.cn'], ou: labels['birthmark.ou'], dns: labels['birthmark.dns']?.split(',').map((name) => name.trim()),
		image: Image, user: User, network: networks.length > 0 ? networks : undefined, cap: HostConfig?.CapAdd ?? undefined,
		bind: sources.filter((source) => source.startsWith('/')), volume: sources.filter((source) => !source.startsWith('/')),
	};
}

/** As the plugin takes them from the engine; of a service those of its first task. */
function autoNames({ name = '', service = '', compose = {} }: Question): AutoNames {
	const names = service === '' ? namesOfContainer(name, new Map(Object.entries(compose))) : namesOfTask(service, 1);
	if (!names) throw new BirthmarkError('usage', 'with --cn auto the name of the container decides; add --name NAME, or --service NAME');
	return names;
}

function toFacts(question: Omit<Question, 'caller' | 'action'>, action: PolicyAction): ContainerFacts {
	const auto = question.cn === AUTO_NAME ? autoNames(question) : undefined;
	const cn = auto?.commonName ?? question.cn ?? '';
	const { ou = auto?.organizationalUnit ?? roleOf(cn), dns = [], image = '', digest, user = '', network = ['default'] } = question;
	if (cn !== '') checkName('common name', cn);
	else if (action === 'run') throw new BirthmarkError('usage', 'whose identity? add --cn NAME');
	if (ou !== '') checkName('role', ou);
	const { digests, ...name } = parseImageName(image);
	return {
		...NO_FACTS,
		commonName: cn,
		organizationalUnit: ou,
		organization: question.o ?? '',
		dnsNames: dns.map(checkDnsName),
		name: question.name ?? '',
		service: question.service ?? '',
		image: { reference: image, ...name, id: question.imageId ?? '', digests: digest ?? digests },
		user: userFact(user),
		network: network[0]!,
		networks: network,
		binds: (question.bind ?? []).map(pathFact),
		volumes: question.volume ?? [],
		capabilities: (question.cap ?? []).map(capabilityFact),
		powers: question.power ?? [],
	};
}
