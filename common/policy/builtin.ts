/**
 * The policy that holds without a file, and beside each file. It is Cedar text like any other, shown
 * by `birthmark policy show`. What no rule permits is refused.
 */

/** Ids that begin so are not for files. */
export const BUILTIN_PREFIX = 'builtin-';

/** Holds always; a file may forbid what it permits. */
export const BUILTIN = `// Building gives no identity to anybody. A file may forbid it.
@id("builtin-build")
permit (principal, action == Action::"build", resource);

// A network gives no way into a container. A file may forbid it.
@id("builtin-connect")
permit (principal, action == Action::"connect", resource);
`;

/** Holds as long as there is no file: then names are judged by the allow list that the node has at the CA, and by nothing else. */
export const BUILTIN_WITHOUT_FILE = `// The CA has an allow list of names for each node. With a file this rule is gone: the file says who may run what.
@id("builtin-run")
permit (principal, action == Action::"run", resource);
`;
