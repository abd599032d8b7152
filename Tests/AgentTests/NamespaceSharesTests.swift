import Testing

@testable import Agent

@Suite("Namespace shares") struct NamespaceSharesTests {
    @Test func `nobody has more than one may, nor more than are left`() {
        var shares = NamespaceShares(ofUser: 4, inAll: 10)
        #expect((0..<6).map { _ in shares.take(for: 1001) } == [true, true, true, true, false, false])
        #expect((0..<6).map { _ in shares.take(for: 1002) } == [true, true, true, false, false, false])
        // There is always a place for somebody who has none, and for the host's own.
        #expect((0..<3).map { _ in shares.take(for: 1003) } == [true, true, false])
        #expect((0..<2).map { _ in shares.take(for: nil) } == [true, true])
    }

    @Test func `what is given back can be taken again, and who is beyond his share is told of once`() {
        var shares = NamespaceShares(ofUser: 1, inAll: 10)
        #expect(shares.take(for: 1001) && !shares.take(for: 1001))
        #expect(shares.newlyBeyond(1001) == 1 && shares.newlyBeyond(1001) == nil)
        shares.giveBack(1001)
        #expect(shares.take(for: 1001) && !shares.take(for: 1001))
        #expect(shares.newlyBeyond(1001) == 1)
    }
}
