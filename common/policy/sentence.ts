/** A refusal in one sentence: who may not do what, by which rule, and how to change that. */

import { quote } from '#common/protocol/names.ts';
import { ACTIONS, NO_FACTS, type PolicyDecision, type PolicyRequest } from './request.ts';

/** More than anybody asks for who means it: the engine takes thousands of devices, with paths of any length. */
const MAX_LISTED = 10;
const MAX_POWER = 100;
/** in characters; a rule that is cut off would be none */
const MAX_RULE = 4000;

/**
 * @param file where people keep their rules
 * @param why what the action would give away; shown where no rule speaks for itself
 */
export function refusalSentence(request: PolicyRequest, decision: PolicyDecision, { path, exists }: { path: string; exists: boolean }, why?: string): string {
	const [rule] = decision.rules;
	if (rule !== undefined) {
		const reason = decision.reason ? `: ${decision.reason}` : '';
		return `the rule ${quote(rule)} forbids ${describe(request)}${reason}; ${decision.remedy ?? `ask who keeps ${path}`}`;
	}
	const begin = `${why === undefined ? '' : `${why}; `}no rule permits ${describe(request)}; to permit it`;
	const text = permittingRule(request);
	if (text.length > MAX_RULE) return `${begin} write a rule for ${literal(request.action)} that has all of it into ${path}, or ask for less`;
	return `${begin} ${exists ? `add this to ${path}` : `make ${path} with birthmark policy init and add this`}: ${text}`;
}

/** The first few of what a person can read, in one line: `privileged, pid-host and 3 more`. */
export function listed(powers: readonly string[]): string {
	const shown = powers.slice(0, MAX_LISTED).map((power) => (power.length > MAX_POWER ? `${power.slice(0, MAX_POWER)}…` : power)).join(', ');
	return powers.length > MAX_LISTED ? `${shown} and ${powers.length - MAX_LISTED} more` : shown;
}

/** `caller "local" to run "api01" (web-api) from image "x:1"` */
export function describe(request: PolicyRequest): string {
	const { phrase, resource } = ACTIONS[request.action];
	const powers = request.action === 'reach-host' ? ` (${listed(request.container?.powers ?? [])})` : '';
	const what = { Container: describeContainer(request), Plugin: quote(request.plugin?.reference || request.plugin?.name || ''), Engine: '' }[resource];
	return `caller ${quote(request.caller)} to ${phrase} ${what}`.trimEnd() + powers;
}

/** The narrowest rule that a person would write to permit just this. */
export function permittingRule(request: PolicyRequest): string {
	const { caller, action } = request;
	const conditions = conditionsFor(request);
	const when = conditions.length > 0 ? ` when { ${conditions.join(' && ')} }` : '';
	return `@id(${literal(ruleId(request))}) permit (principal == Caller::${literal(caller)}, action == Action::${literal(action)}, resource)${when};`;
}

function conditionsFor({ action, container = NO_FACTS, plugin }: PolicyRequest): string[] {
	const is = (path: string, value: string): string[] => (value === '' ? [] : [`resource.${path} == ${literal(value)}`]);
	switch (ACTIONS[action].resource) {
		case 'Engine':
			return [];
		case 'Plugin':
			return plugin?.own ? ['resource.own'] : is('reference', plugin?.reference ?? '');
		case 'Container': {
			const image = container.image.repository === '' ? is('image.id', container.image.id) : is('image.repository', container.image.repository);
			if (action === 'reach-host') return [...image, `[${container.powers.map(literal).join(', ')}].containsAll(resource.powers)`];
			const names = [...is('cn', container.commonName), ...is('ou', container.organizationalUnit)];
			return action === 'run' ? [...names, ...image] : names.length > 0 ? names : is('name', container.name);
		}
	}
}

function describeContainer({ action, container = NO_FACTS }: PolicyRequest): string {
	const { commonName, organizationalUnit, name, id, image, service } = container;
	const reference = image.reference || image.id;
	const from = reference === '' || !['run', 'reach-host'].includes(action) ? '' : ` from image ${quote(reference)}`;
	if (commonName !== '') return `${quote(commonName)}${organizationalUnit === '' ? '' : ` (${organizationalUnit})`}${from}`;
	const kind = service !== '' ? `the service ${quote(service)}` : name !== '' ? `the container ${quote(name)}` : id !== '' ? `the container ${id.slice(0, 12)}` : 'a container';
	return kind + from;
}

/** Made of what the rule is about; people rename it. */
function ruleId({ action, container = NO_FACTS, plugin }: PolicyRequest): string {
	const about = plugin?.name || plugin?.reference || container.commonName || container.image.repository || container.name;
	const word = about.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '').slice(0, 40);
	return word === '' ? action : `${action}-${word}`;
}

/** A Cedar string: JSON's escapes are Cedar's but for `\\u`. */
function literal(text: string): string {
	return JSON.stringify(text).replace(/\\u([0-9a-f]{4})/g, '\\u{$1}').replace(/\\[bf]/g, (escape) => (escape === '\\b' ? '\\u{8}' : '\\u{c}'));
}
