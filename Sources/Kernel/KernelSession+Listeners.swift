extension KernelSession {
    /// Every socket of a process in scope that listens.
    package func listeners() -> [ListeningSocket] { listenerTable.all }

    /// Decides a listener anew. `.none`: its connections reach it directly from now on.
    ///
    /// - Throws: `unknownListener` where it listens no more, or has another identity by now than `socket` says.
    package func setListenerIdentity(_ socket: ListeningSocket, _ handle: IdentityHandle) throws(KernelError) {
        guard try listenerTable.decide(socket, as: handle) else { throw .unknownListener(socket.endpoint) }
    }

    /// Cuts the live connections at the places of these listeners that did not come through the proxy: from before they
    /// were managed, or before the kernel part was there.
    ///
    /// - Returns: how many that were.
    @discardableResult
    package func destroyUnprotected(
        at listeners: [ListeningSocket], in network: NetworkNamespace,
    ) throws(KernelError) -> Int {
        let clients = acceptedClients.fileDescriptor
        return try network.run { () throws(KernelError) in
            var diagnosis = try SocketDiagnosis()
            let found = try diagnosis.established(without: clients) { local in
                listeners.contains { $0.endpoint.port == local.port && $0.serves(local.address) }
            }
            for connection in found { try diagnosis.destroy(connection) }
            return found.count
        }
    }
}
