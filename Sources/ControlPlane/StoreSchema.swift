import GRDB

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
