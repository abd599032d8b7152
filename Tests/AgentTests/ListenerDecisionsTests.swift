import Foundation
import SPIFFE
import Testing
import Workloads

@testable import Agent
@testable import Kernel

/// A listener becomes what called listen(), and nothing else.
@Suite("Listener decisions") struct ListenerDecisionsTests {
    private let book = ProcessBook()
    private let attestor: Attestor

    init() { attestor = Attestor(kernel: book) }

    private let process = ProcessKey(pid: 7, startTime: 1)

    private func run(as userID: UInt32, image: UInt32) {
        let facts = ProcessFacts(
            key: process, userID: userID, realUserID: userID, groupID: 0, name: "server", arguments: ["server"],
            executable: ProcessFacts.Executable(path: "/server", device: 1, inode: 1))
        book.add(facts, image: image)
    }

    private func outcome(listenedAs userID: UInt32, image: UInt32) async throws -> ListenerDecisions.Outcome {
        let selector = Selector(conditions: [.userID: Condition(anyOf: [.number(1001)])])
        let program = SelectorProgram(slots: [.init(selector: selector, workloadID: "server")])
        try await attestor.install(Matcher(program: program), handles: [:])
        let socket = ListeningSocket(
            cookie: 1, endpoint: InternetEndpoint(address: .wildcardIPv4, port: 9000), network: 1,
            image: ProcessImage(process: process, number: image),
            credentials: ProcessIDs(
                effectiveUserID: userID, realUserID: userID, effectiveGroupID: 0, realGroupID: 0),
            identity: .none)
        return await ListenerDecisions.of([socket], by: attestor, within: .seconds(10)) {}.outcome(for: socket)
    }

    @Test func `what listened, and still runs, is decided`() async throws {
        run(as: 1001, image: 1)
        #expect(try await outcome(listenedAs: 1001, image: 1) == .workload("server"))
    }

    @Test func `a stranger that becomes a workload after it listened keeps a stranger's listener`() async throws {
        run(as: 1001, image: 2)
        #expect(try await outcome(listenedAs: 1002, image: 1) == .orphaned)
    }

    @Test func `a workload that executes another program leaves its listener what it was`() async throws {
        run(as: 0, image: 2)
        #expect(try await outcome(listenedAs: 1001, image: 1) == .orphaned)
    }

    @Test func `root that listens and then drops its uid is judged as root`() async throws {
        run(as: 1001, image: 1)
        #expect(try await outcome(listenedAs: 0, image: 1) == .unmanaged)
    }
}
