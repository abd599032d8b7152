import Foundation
import GRDB
import Limits

/// The tables, in the order they came to be. A released migration is never edited, only followed.
enum StoreSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 registry", migrate: registry)
        migrator.registerMigration("2 agents", migrate: agents)
        migrator.registerMigration("3 oauth", migrate: oauth)
        migrator.registerMigration("4 audit", migrate: audit)
        migrator.registerMigration("5 expanded IDs", migrate: expandedIDs)
        migrator.registerMigration("6 manifests revision", migrate: manifestsRevision)
        migrator.registerMigration("agents' standing", migrate: agentStanding)
        migrator.registerMigration("audit positions", migrate: auditPositions)
        migrator.registerMigration("endpoint claims", migrate: endpointClaims)
        migrator.registerMigration("audit floor", migrate: auditFloor)
        migrator.registerMigration("issuances", migrate: issuances)
        migrator.registerMigration("agents' issuances", migrate: agentIssuances)
        migrator.registerMigration("audit floor's fault", migrate: auditFloorFault)
        migrator.registerMigration("tokens' groups", migrate: tokenGroups)
        migrator.registerMigration("withdrawals apart", migrate: withdrawalsApart)
        return migrator
    }

    // Times are milliseconds since 1970 everywhere but in the audit, which keeps the text it hashed.

    private static func registry(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE registry (
                    id INTEGER PRIMARY KEY CHECK (id = 1),
                    version INTEGER NOT NULL
                ) STRICT;
                INSERT INTO registry VALUES (1, 1);
                CREATE TABLE manifests (
                    kind TEXT NOT NULL,
                    name TEXT NOT NULL,
                    generation INTEGER NOT NULL,
                    updated_at INTEGER NOT NULL,
                    canonical TEXT NOT NULL,
                    PRIMARY KEY (kind, name)
                ) STRICT, WITHOUT ROWID;
                CREATE TABLE withdrawn (
                    spiffe_id TEXT PRIMARY KEY,
                    since INTEGER NOT NULL
                ) STRICT, WITHOUT ROWID;
                """)
    }

    private static func agents(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE agents (
                    spiffe_id TEXT PRIMARY KEY,
                    agent_group TEXT NOT NULL,
                    name TEXT NOT NULL,
                    attested_at INTEGER NOT NULL,
                    acknowledged INTEGER NOT NULL DEFAULT 0,
                    error TEXT
                ) STRICT, WITHOUT ROWID;
                CREATE TABLE join_tokens (
                    sha256 BLOB PRIMARY KEY,
                    agent_group TEXT NOT NULL,
                    expires_at INTEGER NOT NULL,
                    used_at INTEGER
                ) STRICT, WITHOUT ROWID;
                CREATE TABLE endpoints (
                    agent TEXT NOT NULL REFERENCES agents (spiffe_id) ON DELETE CASCADE,
                    address TEXT NOT NULL,
                    port INTEGER NOT NULL,
                    workload TEXT NOT NULL,
                    PRIMARY KEY (agent, address, port)
                ) STRICT, WITHOUT ROWID;
                """)
    }

    private static func agentStanding(_ database: Database) throws {
        try database.execute(
            sql: """
                ALTER TABLE agents ADD COLUMN serial TEXT;
                ALTER TABLE agents ADD COLUMN serial_not_before INTEGER;
                ALTER TABLE agents ADD COLUMN life_began INTEGER;
                ALTER TABLE agents ADD COLUMN former_serial TEXT;
                ALTER TABLE agents ADD COLUMN former_until INTEGER;
                ALTER TABLE agents ADD COLUMN evicted TEXT;
                CREATE TABLE banned_agents (
                    spiffe_id TEXT PRIMARY KEY,
                    since INTEGER NOT NULL
                ) STRICT, WITHOUT ROWID;
                """)
    }

    private static func oauth(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE oauth_clients (
                    client_id TEXT PRIMARY KEY,
                    name TEXT,
                    method TEXT NOT NULL,
                    registered_at INTEGER NOT NULL,
                    deregistered_at INTEGER
                ) STRICT, WITHOUT ROWID;
                CREATE TABLE oauth_tokens (
                    jti TEXT PRIMARY KEY,
                    client_id TEXT NOT NULL,
                    resource TEXT NOT NULL,
                    scopes TEXT NOT NULL,
                    thumbprint TEXT,
                    issued_at INTEGER NOT NULL,
                    expires_at INTEGER NOT NULL,
                    revoked_at INTEGER
                ) STRICT, WITHOUT ROWID;
                CREATE INDEX oauth_tokens_by_expiry ON oauth_tokens (expires_at);
                """)
    }

    /// IDs that templates gave to somebody: which ones cannot be told from the manifest.
    private static func expandedIDs(_ database: Database) throws {
        try database.execute(
            sql: "CREATE TABLE expanded_ids (spiffe_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID")
    }

    /// Tells whether manifests read earlier are still what is stored. Raised by triggers, so that no change can go without.
    private static func manifestsRevision(_ database: Database) throws {
        try database.execute(
            sql: "ALTER TABLE registry ADD COLUMN manifests_revision INTEGER NOT NULL DEFAULT 0")
        for change in ["INSERT", "UPDATE", "DELETE"] {
            try database.execute(
                sql: """
                    CREATE TRIGGER revision_after_manifest_\(change.lowercased()) AFTER \(change) ON manifests
                        BEGIN UPDATE registry SET manifests_revision = manifests_revision + 1; END
                    """)
        }
    }

    /// Below which records were removed by retention; the only ones that can be.
    private static func auditFloor(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE audit_floor (
                    id INTEGER PRIMARY KEY CHECK (id = 1),
                    sequence INTEGER NOT NULL,
                    hash TEXT NOT NULL,
                    signature TEXT NOT NULL,
                    bytes INTEGER NOT NULL
                ) STRICT;
                INSERT INTO audit_floor SELECT 1, 0, '', '', coalesce(sum(
                    length(CAST(details AS BLOB)) + length(CAST(source AS BLOB)) + length(type) + 200), 0) FROM audit;
                DROP TRIGGER audit_is_never_deleted;
                CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
                    WHEN OLD.sequence > (SELECT sequence FROM audit_floor)
                    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
                """)
    }

    /// A floor signed before this was signed like a checkpoint: anybody could have put it there, and verification says so.
    private static func auditFloorFault(_ database: Database) throws {
        try database.execute(sql: "ALTER TABLE audit_floor ADD COLUMN fault TEXT NOT NULL DEFAULT ''")
    }

    /// Of two claims of one endpoint the earlier one counts. The revision is raised by triggers, like that of manifests.
    private static func endpointClaims(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE claims (
                    claim INTEGER PRIMARY KEY AUTOINCREMENT,
                    agent TEXT NOT NULL REFERENCES agents (spiffe_id) ON DELETE CASCADE,
                    address TEXT NOT NULL,
                    port INTEGER NOT NULL,
                    workload TEXT NOT NULL,
                    telling TEXT NOT NULL,
                    UNIQUE (agent, address, port, workload)
                ) STRICT;
                INSERT INTO claims (agent, address, port, workload, telling)
                    SELECT agent, address, port, workload, '' FROM endpoints;
                DROP TABLE endpoints;
                ALTER TABLE claims RENAME TO endpoints;
                CREATE INDEX endpoints_by_place ON endpoints (address, port, claim);
                ALTER TABLE registry ADD COLUMN endpoints_revision INTEGER NOT NULL DEFAULT 0;
                """)
        for (name, change) in [("insert", "INSERT"), ("delete", "DELETE"), ("update", "UPDATE OF claim")] {
            try database.execute(
                sql: """
                    CREATE TRIGGER revision_after_endpoint_\(name) AFTER \(change) ON endpoints
                        BEGIN UPDATE registry SET endpoints_revision = endpoints_revision + 1; END
                    """)
        }
    }

    /// How far the audit has come in each agent's queue: a report that comes twice is taken once.
    private static func auditPositions(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE audit_positions (
                    agent TEXT PRIMARY KEY REFERENCES agents (spiffe_id) ON DELETE CASCADE,
                    queue TEXT NOT NULL,
                    next INTEGER NOT NULL
                ) STRICT, WITHOUT ROWID
                """)
    }

    /// What was issued before was not recorded: it may be good for as long as any configuration allows.
    private static func issuances(_ database: Database) throws {
        let longest = Int64(Limits.SVID.longestLifetime / .seconds(1)) * 1000
        let now = Int64(Date().timeIntervalSince1970 * 1000)
        try database.execute(
            sql: """
                CREATE TABLE issuances (
                    spiffe_id TEXT PRIMARY KEY,
                    agent_group TEXT NOT NULL DEFAULT '',
                    issued_second INTEGER NOT NULL,
                    ends_at INTEGER NOT NULL,
                    withdrawn_through INTEGER,
                    withdrawn_until INTEGER
                ) STRICT, WITHOUT ROWID;
                CREATE INDEX issuances_by_end ON issuances (ends_at);
                CREATE INDEX issuances_by_group ON issuances (agent_group);
                CREATE INDEX oauth_tokens_by_client ON oauth_tokens (client_id, thumbprint);
                ALTER TABLE registry ADD COLUMN issued_unrecorded_until INTEGER NOT NULL DEFAULT 0;
                ALTER TABLE oauth_clients DROP COLUMN deregistered_at;
                """)
        try database.execute(
            sql: "UPDATE registry SET issued_unrecorded_until = ? WHERE EXISTS (SELECT 1 FROM agents)",
            arguments: [now + longest])
        try database.execute(
            sql: """
                INSERT INTO issuances
                    SELECT spiffe_id, '', since / 1000, ?1, since / 1000, ?1 FROM withdrawn;
                """,
            arguments: [now + longest])
        try database.execute(
            sql: """
                INSERT OR IGNORE INTO issuances (spiffe_id, issued_second, ends_at)
                    SELECT spiffe_id, ?1 / 1000, ?2 FROM expanded_ids;
                """,
            arguments: [now, now + longest])
        try database.execute(sql: "DROP TABLE withdrawn; DROP TABLE expanded_ids")
    }

    /// Through whom it was issued before was not recorded: through any agent of the group.
    private static func agentIssuances(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE agent_issuances (
                    agent TEXT NOT NULL,
                    spiffe_id TEXT NOT NULL,
                    ends_at INTEGER NOT NULL,
                    PRIMARY KEY (agent, spiffe_id)
                ) STRICT, WITHOUT ROWID;
                CREATE INDEX agent_issuances_by_id ON agent_issuances (spiffe_id);
                CREATE INDEX agent_issuances_by_end ON agent_issuances (ends_at);
                INSERT INTO agent_issuances
                    SELECT agents.spiffe_id, issuances.spiffe_id, issuances.ends_at FROM agents JOIN issuances USING (agent_group);
                """)
    }

    /// Whose agents have the clients, so that each group has its share.
    private static func tokenGroups(_ database: Database) throws {
        try database.execute(
            sql: """
                ALTER TABLE oauth_tokens ADD COLUMN agent_group TEXT NOT NULL DEFAULT '';
                UPDATE oauth_tokens SET agent_group =
                    coalesce((SELECT agent_group FROM issuances WHERE spiffe_id = client_id), '');
                CREATE INDEX oauth_tokens_by_group ON oauth_tokens (agent_group, expires_at);
                """)
    }

    /// What is withdrawn stays for long: who looks for what has run out does not walk over it, nor the other way round.
    private static func withdrawalsApart(_ database: Database) throws {
        try database.execute(
            sql: """
                DROP INDEX issuances_by_end;
                CREATE INDEX issuances_to_end ON issuances (ends_at) WHERE withdrawn_through IS NULL;
                CREATE INDEX withdrawals_to_end ON issuances (withdrawn_until) WHERE withdrawn_until IS NOT NULL;
                CREATE INDEX withdrawals ON issuances (spiffe_id, withdrawn_through) WHERE withdrawn_through IS NOT NULL;
                """)
    }

    private static func audit(_ database: Database) throws {
        try database.execute(
            sql: """
                CREATE TABLE audit (
                    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
                    time TEXT NOT NULL,
                    source TEXT NOT NULL,
                    type TEXT NOT NULL,
                    details TEXT NOT NULL,
                    hash TEXT NOT NULL
                ) STRICT;
                CREATE TRIGGER audit_is_never_updated BEFORE UPDATE ON audit
                    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
                CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
                    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
                """)
    }
}
