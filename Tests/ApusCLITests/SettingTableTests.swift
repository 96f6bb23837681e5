import Apus
import Foundation
import Testing

@testable import ApusCLI

@Suite struct SettingTableTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    @Test func trainerRowsAreTheTrainersKeys() {
        let rows = SettingTable.rows.filter { if case .trainer = $0.treatment { true } else { false } }
        #expect(Set(rows.map(\.name)) == Set(GRPOConfiguration.settingNames))
    }

    @Test func runRowsAreTheRunsKeys() {
        let rows = SettingTable.rows.filter { if case .run = $0.treatment { true } else { false } }
        #expect(Set(rows.map(\.name)) == Set(RunSettings.settingNames))
    }

    @Test func otherNamesLeadToASetting() throws {
        for row in SettingTable.rows {
            switch row.treatment {
            case .alias(let name, _), .fallback(let name): #expect(try #require(SettingTable.row(name)).kind != nil)
            default: break
            }
        }
    }

    @Test func everyKeyIsDocumented() throws {
        let page = ConfigurationReference().page
        for row in SettingTable.rows where !page.contains("`\(row.name)`") { Issue.record("\(row.name)") }
    }

    @Test func theReferenceIsWhatTheProgramPrints() throws {
        let page = try String(contentsOf: Self.root.appending(path: "docs/configuration.md"), encoding: .utf8)
        let isCurrent = ConfigurationReference().page == page
        #expect(isCurrent, "run: apus reference > docs/configuration.md")
    }

    @Test func defaultsOfTheTrainerAreAccepted() throws {
        // Whoever writes out TRL's own defaults must not be refused for it.
        for line in Self.trlDefaults {
            #expect(refusal("model: m\n\(line)\n") == nil, "\(line)")
        }
    }

    @Test(arguments: [
        ("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("same", "same", 0), ("ab", "ba", 2),
    ])
    func editDistanceCountsSlips(first: String, second: String, distance: Int) {
        #expect(editDistance(first, second) == distance)
    }

    @Test func farNamesAreNotSuggested() {
        #expect(nearestName(to: "frobnicate", among: ["beta", "seed"]) == nil)
        #expect(nearestName(to: "sed", among: ["beta", "seed"]) == "seed")
    }

    private static let trlDefaults = """
        optim: adamw_torch_fused
        report_to: none
        eval_strategy: "no"
        use_liger_kernel: false
        sync_ref_model: false
        ref_model_mixup_alpha: 0.6
        ref_model_sync_steps: 512
        router_aux_loss_coef: null
        generation_kwargs: null
        lr_scheduler_kwargs: {}
        save_only_model: false
        ignore_data_skip: false
        deepspeed: null
        fsdp: []
        hub_model_id: null
        push_to_hub: false
        max_tool_calling_iterations: null
        lora_dropout: 0.0
        use_peft: true
        logging_strategy: steps
        """.split(separator: "\n").map(String.init)
}
