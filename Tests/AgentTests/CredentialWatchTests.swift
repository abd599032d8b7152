import Testing
import Workloads

@testable import Agent

@Suite("Watch of ids that change") struct CredentialWatchTests {
    private let process = ProcessKey(pid: 7, startTime: 1)
    private let root = ProcessIDs(userID: 0, groupID: 0)
    private let user = ProcessIDs(userID: 1001, groupID: 1001)
    private let other = ProcessIDs(userID: 1002, groupID: 1002)

    @Test func `who runs by the ids that he opened everything by is never asked about`() {
        let watch = Watcher()
        for _ in 1...3 {
            #expect(!watch.needsAnswer(process, now: user, opening: [user]))
            #expect(!watch.needsAnswer(process, now: root, opening: [root]))
        }
    }

    @Test(arguments: [
        ProcessIDs(effectiveUserID: 0, realUserID: 1001, effectiveGroupID: 1001, realGroupID: 1001),
        ProcessIDs(effectiveUserID: 1001, realUserID: 0, effectiveGroupID: 1001, realGroupID: 1001),
        ProcessIDs(effectiveUserID: 1001, realUserID: 1001, effectiveGroupID: 0, realGroupID: 1001),
        ProcessIDs(effectiveUserID: 1001, realUserID: 1001, effectiveGroupID: 1001, realGroupID: 0),
    ])
    func `each of the four numbers counts, from the first look on`(_ changed: ProcessIDs) {
        let watch = Watcher()
        #expect(watch.needsAnswer(process, now: changed, opening: [user]))
    }

    @Test func `who was asked about is asked again when something is another, and not before`() {
        let watch = Watcher()
        #expect(watch.needsAnswer(process, now: user, opening: [root]))
        #expect(!watch.needsAnswer(process, now: user, opening: [root]))
        // A connection more, by the ids of now.
        #expect(!watch.needsAnswer(process, now: user, opening: [root, user]))
        // And one by others, which it had between two looks.
        #expect(watch.needsAnswer(process, now: user, opening: [root, user, other]))
        #expect(!watch.needsAnswer(process, now: user, opening: [root, user, other]))
        #expect(watch.needsAnswer(process, now: other, opening: [root, user, other]))
        #expect(watch.needsAnswer(process, now: user, opening: [root, user, other]))
    }

    @Test func `a pid that another process has is looked at as if for the first time`() {
        let watch = Watcher()
        #expect(watch.needsAnswer(process, now: user, opening: [root]))
        #expect(watch.needsAnswer(ProcessKey(pid: 7, startTime: 2), now: user, opening: [root]))
    }

    @Test func `each is looked at once a round, so many at a time`() {
        let watch = Watcher()
        let crowd = (1...Int32(CredentialWatch.atOnce * 2 + 1)).map { ProcessKey(pid: $0, startTime: 1) }
        let turns = (1...3).map { _ in Array(watch.turn { crowd }) }
        #expect(turns.map(\.count) == [CredentialWatch.atOnce, CredentialWatch.atOnce, 1])
        #expect(Set(turns.joined()) == Set(crowd))
        #expect(Array(watch.turn { [process] }) == [process])
        #expect(watch.turn { [] }.isEmpty)
        #expect(Array(watch.turn { [process] }) == [process])
    }

    @Test func `what is known of a process ends with its connections`() {
        let watch = Watcher()
        _ = watch.turn { [process] }
        #expect(watch.needsAnswer(process, now: user, opening: [root]))
        _ = watch.turn { [process] }
        #expect(!watch.needsAnswer(process, now: user, opening: [root]))
        _ = watch.turn { [] }
        #expect(watch.needsAnswer(process, now: user, opening: [root]))
    }
}

/// Keeps one, as expectations call nothing that mutates.
private final class Watcher {
    private var watch = CredentialWatch()

    func turn(of openers: () -> [ProcessKey]) -> ArraySlice<ProcessKey> { watch.turn(of: openers) }

    func needsAnswer(_ process: ProcessKey, now ids: ProcessIDs, opening: Set<ProcessIDs>) -> Bool {
        watch.needsAnswer(process, now: ids, opening: opening)
    }
}
