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
        #expect(Set(rows.map(\.name)) == Set(RunSettings.CodingKeys.allCases.map(\.rawValue)))
    }

    @Test func otherNamesLeadToASetting() throws {
        for row in SettingTable.rows {
            switch row.treatment {
            case .alias(let name, _), .fallback(let name): #expect(try #require(SettingTable.row(name)).kind != nil)
            default: break
            }
        }
    }

    @Test func everyKeyOfTRLHasItsRow() {
        for key in Self.trlKeys { #expect(SettingTable.row(key) != nil, "\(key)") }
    }

    @Test func everyKeyIsDocumented() throws {
        let page = try String(contentsOf: Self.root.appending(path: "docs/configuration.md"), encoding: .utf8)
        for row in SettingTable.rows { #expect(page.contains("`\(row.name)`"), "\(row.name)") }
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

    /// TRL 1.16's `GRPOConfig` with the fields of `TrainingArguments` that matter on one machine.
    private static let trlKeys = """
        output_dir per_device_train_batch_size per_device_eval_batch_size gradient_accumulation_steps num_train_epochs
        max_steps learning_rate lr_scheduler_type lr_scheduler_kwargs warmup_steps warmup_ratio optim weight_decay
        adam_beta1 adam_beta2 adam_epsilon max_grad_norm bf16 gradient_checkpointing logging_steps logging_strategy
        logging_first_step logging_nan_inf_filter report_to save_strategy save_steps save_total_limit save_only_model
        eval_strategy eval_steps eval_delay eval_on_start seed data_seed dataloader_drop_last remove_unused_columns
        ignore_data_skip resume_from_checkpoint use_liger_kernel average_tokens_across_devices
        ddp_find_unused_parameters fsdp fsdp_config deepspeed model_init_kwargs trust_remote_code router_aux_loss_coef
        disable_dropout cast_lm_head_to_fp32 num_generations num_generations_eval max_prompt_length
        max_completion_length ds3_gather_for_generation shuffle_dataset pad_to_multiple_of generation_batch_size
        steps_per_generation temperature top_p top_k min_p generation_kwargs chat_template_kwargs repetition_penalty
        cache_implementation use_vllm vllm_mode vllm_model_impl vllm_enable_sleep_mode vllm_structured_outputs_regex
        vllm_server_base_url vllm_server_host vllm_server_port vllm_server_timeout vllm_group_port
        vllm_gpu_memory_utilization vllm_max_model_length vllm_tensor_parallel_size
        use_transformers_continuous_batching transformers_continuous_batching_config beta num_iterations epsilon
        epsilon_high delta sapo_temperature_neg sapo_temperature_pos vespo_k_pos vespo_lambda_pos vespo_k_neg
        vespo_lambda_neg importance_sampling_level reward_weights multi_objective_aggregation scale_rewards loss_type
        mask_truncated_completions sync_ref_model ref_model_mixup_alpha ref_model_sync_steps top_entropy_quantile
        entropy_coef use_adaptive_entropy entropy_coef_min entropy_coef_max entropy_coef_delta entropy_target
        max_tool_calling_iterations vllm_importance_sampling_correction vllm_importance_sampling_mode
        vllm_importance_sampling_clip_max vllm_importance_sampling_clip_min off_policy_mask_threshold
        use_bias_correction_kl log_completions num_completions_to_print log_unique_prompts log_multimodal
        log_completions_hub_repo use_transformers_paged vllm_importance_sampling_cap auto_find_batch_size do_eval
        """.split(whereSeparator: \.isWhitespace).map(String.init)

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
