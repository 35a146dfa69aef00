/**
 * The files on a container's identity volume, the contract between plugin, agent and application.
 * The plugin writes the first group before the container starts, the agent the second.
 */

/** Where the volume is mounted in the container. Reserved: other mount points are refused. */
export const IDENTITY_DIRECTORY = '/run/birthmark';

export const VolumeFile = {
	/** one-time token, mode 0400, deleted by the agent once redeemed */
	token: 'token',
	/** `AgentFile` of agent-file.ts, as JSON */
	agentConfig: 'agent.json',
	/** unix socket, relayed byte for byte to the CA */
	relaySocket: 'ca.sock',
	/** read-only bind of the agent executable and its loader */
	agentDirectory: 'bin',
	/** PEM, every CRL of the CA; replaced by rename whenever the CA's changes */
	revocationList: 'crl.pem',
	/** serial number of the certificate that is to be renewed now, written by the plugin when somebody demands it */
	rotate: 'rotate',

	/** key and chain in one file */
	identity: 'identity.pem',
	key: 'tls.key',
	/** leaf, intermediate, and the cross-certificate while the root changes; leaf first */
	certificate: 'tls.crt',
	/** the trust bundle, exactly the bytes that were verified */
	bundle: 'ca.crt',
	/** label `birthmark.formats=haproxy`: chain, then key */
	combined: 'haproxy.pem',
	/** label `birthmark.formats=der`: key, chain and trust bundle, certificates one after the other */
	keyDer: 'tls.key.der',
	certificateDer: 'tls.crt.der',
	bundleDer: 'ca.crt.der',
	/** label `birthmark.formats=pkcs12`: key and chain; the trust bundle; the password of both */
	keyStore: 'identity.p12',
	trustStore: 'ca.p12',
	storePassword: 'identity.p12.password',
	/** label `birthmark.formats=nginx`: directives that name the files of one generation */
	nginx: 'nginx.conf',
	/** symlink to the directory of the generation in use; the files above are symlinks through it */
	current: 'current',
} as const;
